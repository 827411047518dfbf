"""The report of an experiment: one HTML page that needs nothing else, and rows for export."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from service.evaluation.metrics.registry import METRICS
from service.evaluation.statistics.comparison import FULL_COVERAGE, detectable_difference
from service.experiments.analysis import Analysis
from service.experiments.answer import answer_clauses, difference_words, dollar_words
from service.experiments.curve import LearningCurve, Point, Verdict
from service.experiments.report.plots import draw_curve, draw_front, interval_words
from service.experiments.report.svg import CANVASES

SYNTHETIC_NOTICE = "SYNTHETIC: produced by the Tunecurve emulator, not by Gemini"
UNLISTED_NOTICE = "UNLISTED: the base model is unknown to the catalogue, or retired"
FAR_NOTICE = (
    "The curve is drawn to {times:.3g} times the largest size: beyond twice it is a guess, whose "
    "error public curves show to be several points more often than the band says."
)
TRUSTED_AHEAD = 2.01  # times the largest size, with room for rounding
LEAKY_NOTICE = "LEAKS: test rows are known to leak into training, so these scores flatter"

_VERDICTS = {
    Verdict.PLATEAU: "Plateau: with a probability of at least 90 %, one more doubling of the data "
    "gains less than is worthwhile. Curves that look flat do rise again at times.",
    Verdict.STILL_RISING: "Still rising: with a probability of at least 90 %, one more doubling of "
    "the data gains more than is worthwhile. It is an estimate, not a promise.",
    Verdict.FLAT: "Flat: no size is shown to score more than the smallest one or a prompt. This is "
    "no plateau, which needs a rise before it: with more data it may begin to learn.",
    Verdict.UNDECIDED: "Undecided: the scores allow both a worthwhile gain from one more doubling "
    "of the data and none.",
    Verdict.TOO_FEW_SIZES: "Too few sizes: a curve needs at least three training sizes with a "
    "score.",
}


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """How many rows came in and stayed; `dropped` counts the others by reason."""

    id: str
    rows: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that the page says. `ids` names what it was made from (`job`, `evaluation of ...`)."""

    experiment_id: str
    title: str
    analysis: Analysis
    dataset: DatasetFacts
    base_model: str
    seed: int
    synthetic: bool
    created_at: datetime
    leaky: bool = False
    unlisted_model: bool = False
    ids: Mapping[str, str] = field(default_factory=dict)


def render_report(report: ReportData) -> str:
    """Return the page: no script, no address to fetch, every value escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only its job pays for it

    environment = Environment(
        loader=PackageLoader("service.experiments.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    curve = report.analysis.curve
    points = (*curve.baselines, *curve.points, *curve.others)
    return environment.get_template("page.html").render(
        report=report,
        curve=curve,
        clauses=answer_clauses(report.analysis),
        verdict=_VERDICTS[curve.verdict] + _far_ahead(curve),
        curves=_drawn(draw_curve, report),
        fronts=_drawn(draw_front, report),
        columns=list(_cells(report, points[0])),
        full_coverage=FULL_COVERAGE,
        synthetic_notice=SYNTHETIC_NOTICE,
        leaky_notice=LEAKY_NOTICE,
        unlisted_notice=UNLISTED_NOTICE,
        cells=partial(_cells, report),
        choice=_choice(report.analysis),
        dataset_facts=_dataset(report.dataset),
        provenance=_provenance(report),
    )


def _far_ahead(curve: LearningCurve) -> str:
    """Warn of a band that reaches beyond twice the largest size."""
    if curve.fit is None:
        return ""
    times = curve.fit.sizes[-1] / max(point.train_size or 0 for point in curve.points)
    return f" {FAR_NOTICE.format(times=times)}" if times > TRUSTED_AHEAD else ""


def _drawn(draw: Callable[..., str], report: ReportData) -> list[str]:
    """Draw a plot for wide and for narrow screens."""
    return [draw(report.analysis, canvas, synthetic=report.synthetic) for canvas in CANVASES]


def _cells(report: ReportData, point: Point) -> dict[str, str]:
    """Return what stands in a variant's row of the table after its name, by column."""
    analysis = report.analysis
    cost = analysis.costs.get(point.name)
    cells = {
        "Training examples": "" if point.train_size is None else f"{point.train_size:,}",
        METRICS.find(analysis.curve.metric).title: (
            "no score" if point.value is None else f"{point.value:.1f}"
        ),
        "95 % interval": interval_words(point),
        "Against the best prompt": difference_words(point, analysis.decision, analysis.comparisons),
        "Dollars per 1,000 calls": dollar_words(cost.per_thousand if cost else None),
        "Tuning, dollars": dollar_words(cost.tuning if cost and point.train_size else None),
        "Tokens in and out": (
            f"{cost.prompt_tokens:,.0f} + {cost.output_tokens:,.0f}" if cost else ""
        ),
        "Coverage": f"{point.coverage:.1%}",
        "Rows scored": f"{point.n:,}",
        "Groups": "not known" if point.groups is None else f"{point.groups:,}",
    }
    curve = analysis.curve
    if any(each.worst is not None for each in (*curve.baselines, *curve.points, *curve.others)):
        cells["Bounds"] = _bounds(point)
    return cells


def _bounds(point: Point) -> str:
    if point.worst is None or point.best is None:
        return ""
    return f"{point.worst:.1f} to {point.best:.1f}"


def _choice(analysis: Analysis) -> Iterable[tuple[str, str]]:
    """Yield what helps to choose: the front, the luck of the best, what the rows can show."""
    decision = analysis.decision
    if analysis.front is None:
        yield "Worth choosing", "not said: the price of a variant is not known"
    else:
        yield "Worth choosing by score and cost", ", ".join(analysis.front)
    if analysis.score_of_best is not None:
        words = f"{analysis.score_of_best:.1f}, its luck in being chosen taken off (BBC bootstrap)"
        yield "The best on new rows", words
    against = decision.against_prompt
    least = detectable_difference(against) if against else None
    if least is not None and against is not None:
        rows = f"{against.rows:,} test rows in {against.groups:,} groups"
        yield "Least difference shown", f"{least:.1f}, four times in five, by {rows}"
    if analysis.pays_off_from is not None:
        yield "Tuning paid in a month from", f"{analysis.pays_off_from:,} calls"


def _dataset(dataset: DatasetFacts) -> Iterable[tuple[str, str]]:
    yield "Dataset", dataset.id
    yield "Rows", f"{dataset.rows:,}"
    yield "Kept", f"{dataset.kept:,}"
    yield "Dropped", f"{dataset.rows - dataset.kept:,}"
    for reason, count in dataset.dropped.items():
        yield f"Dropped: {reason}", f"{count:,}"


def _provenance(report: ReportData) -> Iterable[tuple[str, str]]:
    yield "Experiment", report.experiment_id
    yield "Base model", report.base_model
    yield (
        "Metric",
        f"{METRICS.find(report.analysis.curve.metric).title} ({report.analysis.curve.metric})",
    )
    yield "Seed", str(report.seed)
    yield "Made at", report.created_at.isoformat(timespec="seconds")
    yield from report.ids.items()


def curve_rows(
    curve: LearningCurve, *, experiment_id: str, synthetic: bool
) -> list[dict[str, Any]]:
    """Return one row for each variant, baselines first, in columns fit for Parquet and JSON."""
    head = {"experiment_id": experiment_id, "metric": curve.metric, "synthetic": synthetic}
    points = (*curve.baselines, *curve.points, *curve.others)
    return [{**head, **asdict(point), "kind": point.kind.value} for point in points]
