"""Points of learning curves for the tests of this room."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from service.evaluation.schemas import VariantKind
from service.evaluation.statistics.comparison import Comparison
from service.experiments.analysis import Analysis, conclude
from service.experiments.decisions.front import VariantCost
from service.experiments.learning_curve.curve import LearningCurve, Point


def point(
    name: str, value: float | None, *, half: float | None = 1.2, coverage: float = 1.0
) -> Point:
    """Return a variant's point by its planned name; `half` is half its interval's width."""
    size = int(name.split("@")[1]) if "@" in name else None
    kind = {"zero-shot": VariantKind.ZERO_SHOT, "few-shot (3)": VariantKind.FEW_SHOT}
    low, high = (None, None) if value is None or half is None else (value - half, value + half)
    rows = 0 if value is None else 200
    return Point(name, kind.get(name, VariantKind.TUNED), size, value, low, high, coverage, rows)


ZERO = point("zero-shot", 83.9)
FEW = point("few-shot (3)", 87.6)


def tuned(scores: dict[int, float | None], *, half: float | None = 1.2) -> list[Point]:
    return [point(f"tuned@{size}", value, half=half) for size, value in scores.items()]


def pair(
    first: Point, second: Point, *, half: float, groups: int = 150, rows: int = 200
) -> Comparison:
    """Return a comparison whose interval is `half` to both sides, shown where that leaves 0 out."""
    difference = (first.value or 0) - (second.value or 0)
    p_value = 0.01 if abs(difference) > half else 0.4
    return Comparison(
        first=first.name,
        second=second.name,
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_value=p_value,
        adjusted_p=p_value,
        rows=rows,
        groups=groups,
        coverage=1.0,
        worst=None,
        best=None,
        method="test",
    )


def pairs_of(points: Sequence[Point], *, half: float, groups: int = 150) -> list[Comparison]:
    """Return the comparisons of every two scored variants."""
    scored = [each for each in points if each.value is not None]
    return [pair(later, one, half=half, groups=groups) for one, later in combinations(scored, 2)]


def analysed(
    curve: LearningCurve,
    *,
    half: float = 1.0,
    groups: int = 150,
    tolerance: float = 0.0,
    costs: Mapping[str, VariantCost] | None = None,
    label_nano: int = 0,
) -> Analysis:
    """Return the analysis of a curve whose comparisons all have one half width."""
    return conclude(
        curve,
        pairs_of((*curve.baselines, *curve.points), half=half, groups=groups),
        score_of_best=None,
        costs=costs or {},
        tolerance=tolerance,
        label_nano=label_nano,
    )
