"""The tables of a report as CSV: every number that the page shows, unrounded. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from service.datasets.report.masking import mask
from service.evaluation.judges.reports import Estimate
from service.evaluation.scoring.confidence import Automation
from service.experiments.report.data import ReportData, VariantDetails
from service.experiments.report.page_tables import caution_words
from service.experiments.report.row_examples import RowExample
from service.money import dollars_or_none
from service.storage.tables import rows_as_csv

Row = Mapping[str, Any]
_NONE = VariantDetails()


def report_tables(report: ReportData) -> dict[str, bytes]:
    """Return each table by its name; one without rows is left out, and texts are masked."""
    tables: dict[str, Sequence[Row]] = {
        "variants": list(_variants(report)),
        "comparisons": [
            {**asdict(each), "is_shown": each.is_shown} for each in report.analysis.comparisons
        ],
        "curve": list(_curve(report)),
        "confusion": list(_confusion(report)),
        "fields": [asdict(each) for each in (report.rows.fields if report.rows else ())],
        "findings": list(_findings(report)),
        "overfitting": list(_overfitting(report)),
        "confidence": list(_confidence(report)),
        "judges": list(_judges(report)),
        "label_errors": list(_label_errors(report)),
        "regressions": _examples(report, report.rows.regressions if report.rows else ()),
        "worst": _examples(report, report.rows.worst if report.rows else ()),
    }
    return {
        name: b"".join(rows_as_csv(rows, columns=list(rows[0])))
        for name, rows in tables.items()
        if rows
    }


def _variants(report: ReportData) -> Iterator[Row]:
    analysis = report.analysis
    others = {score.metric for each in report.variants.values() for score in each.scores}
    for point in report.points:
        cost = analysis.costs.get(point.name)
        details = report.variants.get(point.name, _NONE)
        found = {score.metric: score for score in details.scores}
        yield {
            "experiment_id": report.experiment_id,
            "synthetic": report.synthetic,
            "metric": analysis.curve.metric,
            **asdict(point),
            "kind": point.kind.value,
            "dollars_per_thousand_calls": dollars_or_none(cost.per_thousand) if cost else None,
            "tuning_dollars": dollars_or_none(cost.tuning) if cost else None,
            "prompt_tokens": cost.prompt_tokens if cost else None,
            "output_tokens": cost.output_tokens if cost else None,
            "latency_ms": cost.latency_ms if cost else None,
            **{
                f"{name}{end}": getattr(found.get(name), of, None)
                for name in sorted(others)
                for end, of in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
        }


def _curve(report: ReportData) -> Iterator[Row]:
    analysis = report.analysis
    for curve in (analysis.curve, *analysis.rivals):
        fit = curve.fit
        if fit is None:
            continue
        named = {"base_model": curve.base_model} if analysis.rivals else {}
        for size, value, low, high in zip(fit.sizes, fit.values, fit.low, fit.high, strict=True):
            yield {**named, "train_size": size, "value": value, "low": low, "high": high}


def _confusion(report: ReportData) -> Iterator[Row]:
    for name, details in report.variants.items():
        for cell in details.confusion.cells if details.confusion else ():
            yield {"variant": name, **cell.model_dump()}


def _findings(report: ReportData) -> Iterator[Row]:
    for name, details in report.variants.items():
        for each in details.findings:
            yield {"variant": name, **each.model_dump()}


def _overfitting(report: ReportData) -> Iterator[Row]:
    for name, details in report.variants.items():
        if details.overfitting is not None:
            yield {"variant": name, **details.overfitting.model_dump()}


def _confidence(report: ReportData) -> Iterator[Row]:
    """Yield a row for each promise of each source; without one, a row of the source alone."""
    no_promise = dict.fromkeys(Automation.model_fields)
    for name, details in report.variants.items():
        for each in details.confidence:
            shown = each.model_dump(exclude={"reliability", "automation", "judge", "rows"})
            for found in each.automation or (None,):
                promise = found.model_dump() if found else {**no_promise, "rows": each.rows}
                yield {"variant": name, **shown, **promise}


def _judges(report: ReportData) -> Iterator[Row]:
    """Yield a row for each variant that a model has judged; an estimate is three columns, `kappa`,
    `kappa_low` and `kappa_high`.
    """
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
                "caution": caution_words(judge),
            }


def _ends(name: str, found: Estimate | None) -> dict[str, float | None]:
    ends = (("", "value"), ("_low", "low"), ("_high", "high"))
    return {f"{name}{end}": getattr(found, of, None) for end, of in ends}


def _label_errors(report: ReportData) -> Iterator[Row]:
    hidden = partial(mask, common=report.common)
    for each in report.label_errors.data if report.label_errors else ():
        shown = {"label": hidden(each.label), "suggested": hidden(each.suggested)}
        yield {**each.model_dump(), **shown}


def _examples(report: ReportData, found: Sequence[RowExample]) -> list[Row]:
    hidden = partial(mask, common=report.common)
    texts = ("input", "expected", "answer", "prompt_answer")
    return [
        {name: hidden(value) if name in texts and value else value for name, value in row.items()}
        for row in map(asdict, found)
    ]
