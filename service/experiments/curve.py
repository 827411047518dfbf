"""The learning curve of an experiment, and what more data may bring. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.evaluation.metrics.registry import METRICS, MetricSpec
from service.evaluation.schemas import VariantKind
from service.experiments.curve_fit import CurveFit, fit_curve

LEAST_SIZES = 3  # two points fit every shape, so they tell none from another
WORTHWHILE_GAIN = 0.005  # of the metric's scale: half a point of 100


class Verdict(StrEnum):
    """What the fit says of one more doubling; a plateau means no worthwhile gain was shown."""

    PLATEAU = "plateau"
    STILL_RISING = "still rising"
    UNDECIDED = "undecided"
    TOO_FEW_SIZES = "too few sizes"


@dataclass(frozen=True, slots=True)
class Point:
    """One variant's score; `value` is None when nothing could be scored.

    `low` and `high` are its 95 % interval, `n` the rows scored, `worst` and `best` the bounds
    when coverage is low. `train_size` is None unless tuned.
    """

    name: str
    kind: VariantKind
    train_size: int | None
    value: float | None
    low: float | None
    high: float | None
    coverage: float
    n: int
    worst: float | None = None
    best: float | None = None


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """`points` are the tuned variants, smallest size first; `baselines` the prompted ones."""

    metric: str
    points: tuple[Point, ...]
    baselines: tuple[Point, ...]
    fit: CurveFit | None
    verdict: Verdict


def learning_curve(metric: str, variants: Sequence[Point], *, seed: int = 0) -> LearningCurve:
    """Sort the variants into a curve and its baselines, fit it and say what a doubling may bring.

    The same variants and seed give the same curve. Raises Invalid for an unknown metric.
    """
    spec = METRICS.find(metric, pointer="/metric")
    tuned = [point for point in variants if point.kind is VariantKind.TUNED]
    points = tuple(sorted(tuned, key=lambda point: point.train_size or 0))
    baselines = tuple(point for point in variants if point.kind is not VariantKind.TUNED)
    fit = _fit(points, spec=spec, seed=seed)
    return LearningCurve(metric, points, baselines, fit, judge(points, fit, scale=spec.scale))


def judge(points: Sequence[Point], fit: CurveFit | None, *, scale: float) -> Verdict:
    """Say whether one more doubling gains more than half a point in a hundred.

    "plateau" and "still rising" need the whole interval on one side; in between it is
    undecided, and so it is where scores lack the intervals that a fit needs.
    """
    if len({point.train_size for point in points if point.value is not None}) < LEAST_SIZES:
        return Verdict.TOO_FEW_SIZES
    worthwhile = WORTHWHILE_GAIN * scale
    if fit is None:
        return Verdict.UNDECIDED
    if fit.gain_high < worthwhile:
        return Verdict.PLATEAU
    return Verdict.STILL_RISING if fit.gain_low > worthwhile else Verdict.UNDECIDED


def _fit(points: Sequence[Point], *, spec: MetricSpec, seed: int) -> CurveFit | None:
    usable = [
        (point.train_size, point.value, point.high - point.low)
        for point in points
        if point.train_size is not None and point.value is not None
        if point.low is not None and point.high is not None
    ]
    if len({size for size, _, _ in usable}) < LEAST_SIZES:
        return None
    return fit_curve(
        [size for size, _, _ in usable],
        [value for _, value, _ in usable],
        widths=[width for _, _, width in usable],
        scale=spec.scale,
        higher_is_better=spec.higher_is_better,
        seed=seed,
    )
