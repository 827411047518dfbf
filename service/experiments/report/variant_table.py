"""The table of an experiment's variants, in words for the page. Pure."""

from collections.abc import Sequence

from service.evaluation.metrics.registry import find_score
from service.evaluation.schemas import Score
from service.experiments.answer import dollar_words
from service.experiments.base_model_words import model_words
from service.experiments.difference_words import difference_words, rank_words
from service.experiments.learning_curve.curve import Point
from service.experiments.report.data import ReportData, VariantDetails
from service.experiments.report.plots import interval_words

_NONE = VariantDetails()
_SHARED = ("Coverage", "Rows scored", "Groups")  # said once where all variants have the same


def variant_table(report: ReportData) -> tuple[str, list[str], list[list[str]]]:
    """Return caption, heads and rows; a column that says nothing of any variant is left out."""
    points = points_of(report)
    rows = [{"Variant": point.name, **_cells(report, point)} for point in points]
    shared = [] if any(len({row[name] for row in rows}) > 1 for name in _SHARED) else _SHARED
    heads = [name for name in rows[0] if name not in shared and any(row[name] for row in rows)]
    caption = _caption(points[0]) if shared else "Scores on the same test rows"
    return caption, heads, [[row[name] for name in heads] for row in rows]


def _caption(point: Point) -> str:
    groups = "" if point.groups in {None, point.n} else f" in {point.groups:,} groups"
    return f"Scores on the same {point.n:,} test rows{groups}, coverage {point.coverage:.1%}"


def points_of(report: ReportData) -> Sequence[Point]:
    curve = report.analysis.curve
    return (*curve.baselines, *curve.points, *curve.others)


def _cells(report: ReportData, point: Point) -> dict[str, str]:
    """Return what stands in a variant's row after its name, by column."""
    analysis = report.analysis
    cost = analysis.costs.get(point.name)
    details = report.variants.get(point.name, _NONE)
    return {
        "Base model": model_words(point.base_model) if point.base_model else "",
        "Training examples": "" if point.train_size is None else f"{point.train_size:,}",
        "Configuration": point.configuration,
        "Epochs": "" if point.epochs is None else f"{point.epochs}",
        find_score(analysis.curve.metric).title: (
            "no score" if point.value is None else f"{point.value:.1f}"
        ),
        "95 % interval": interval_words(point),
        "Against the best prompt": difference_words(point, analysis.decision, analysis.comparisons),
        "Rank, and below the best": rank_words(point, analysis) if analysis.curve.is_swept else "",
        **_other_scores(report, details),
        "Dollars per 1,000 calls": dollar_words(cost.per_thousand if cost else None),
        "Tuning, dollars": dollar_words(cost.tuning if cost and point.train_size else None),
        "Tokens in and out": (
            f"{cost.prompt_tokens:,.0f} + {cost.output_tokens:,.0f}" if cost else ""
        ),
        "Median latency, ms": (
            f"{cost.latency_ms:,}" if cost and cost.latency_ms is not None else ""
        ),
        "Coverage": f"{point.coverage:.1%}",
        "Bounds": _bounds(point),
        "Rows scored": f"{point.n:,}",
        "Groups": "not known" if point.groups is None else f"{point.groups:,}",
    }


def _other_scores(report: ReportData, details: VariantDetails) -> dict[str, str]:
    """Return the scores by the other metrics, each with its interval."""
    names = {score.metric for each in report.variants.values() for score in each.scores}
    found = {score.metric: score for score in details.scores}
    return {find_score(name).title: _score(found.get(name)) for name in sorted(names)}


def _score(score: Score | None) -> str:
    if score is None or score.value is None:
        return ""
    if score.low is None or score.high is None:
        return f"{score.value:.1f}"
    return f"{score.value:.1f} [{score.low:.1f}, {score.high:.1f}]"


def _bounds(point: Point) -> str:
    if point.worst is None or point.best is None:
        return ""
    return f"{point.worst:.1f} to {point.best:.1f}"
