"""The report's table of what judges by a rubric are worth. Pure."""

from collections.abc import Iterator
from typing import Any

from service.evaluation.judges.reports import Estimate, JudgeReport
from service.experiments.report.data import ReportData

JUDGE_HEADS = (
    "Variant",
    "Judge",
    "Rows",
    "Retest kappa",
    "Position bias",
    "Score and length",
    "Labelled",
    "Kappa to people",
    "Leniency",
    "Length bias",
    "Score people would give",
    "Caution",
)


def judge_rows(report: ReportData) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each variant that a model has judged."""
    for name, details in report.variants.items():
        if details.judge is not None:
            yield (name, *_cells(details.judge))


def judge_columns(report: ReportData) -> Iterator[dict[str, Any]]:
    """Yield the same as values, unrounded: of an estimate three, `kappa`, `kappa_low` and so on."""
    facts = ("score", "mode", "model", "family", "same_family", "against", "repeats", "rows")
    for name, details in report.variants.items():
        if (judge := details.judge) is not None:
            beside = judge.calibration
            yield {
                "variant": name,
                **judge.model_dump(mode="json", include={*facts, "unread", "retest_kappa"}),
                **_ends("position_bias", judge.position_bias),
                **_ends("length_correlation", judge.length_correlation),
                "labelled": beside.rows if beside else 0,
                "raters": beside.raters if beside else 0,
                "rater_kappa": beside.rater_kappa if beside else None,
                **_ends("kappa", beside.kappa if beside else None),
                **_ends("leniency", beside.leniency if beside else None),
                **_ends("length_bias", beside.length_bias if beside else None),
                **_ends("corrected", beside.corrected if beside else None),
                "caution": _caution(judge),
            }


def _ends(name: str, found: Estimate | None) -> dict[str, float | None]:
    ends = (("", "value"), ("_low", "low"), ("_high", "high"))
    return {f"{name}{end}": getattr(found, of, None) for end, of in ends}


def _caution(judge: JudgeReport) -> str:
    beside = judge.calibration
    notes = (judge.caution, beside.caution if beside else "no rows were labelled by people")
    return "; ".join(filter(None, notes))


def _cells(judge: JudgeReport) -> Iterator[str]:
    beside = judge.calibration
    yield f"{judge.model}, {judge.mode.value}{', of the same family' if judge.same_family else ''}"
    yield f"{judge.rows:,}"
    yield "" if judge.retest_kappa is None else f"{judge.retest_kappa:.2f}"
    yield estimate_words(judge.position_bias)
    yield estimate_words(judge.length_correlation)
    yield f"{beside.rows:,}" if beside else "none"
    for each in ("kappa", "leniency", "length_bias", "corrected"):
        yield estimate_words(getattr(beside, each)) if beside else ""
    yield _caution(judge)


def estimate_words(found: Estimate) -> str:
    """Return an estimate with its interval for people; "" where nothing is known."""
    if found.value is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
