"""The learning curve of an experiment, and what more data may bring. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from service.evaluation.metrics.registry import MetricSpec, find_score
from service.evaluation.schemas import VariantKind
from service.experiments.learning_curve.fit import (
    TUNING_ERROR,
    WIDTH_IN_ERRORS,
    CurveFit,
    Level,
    fit_curve,
)
from service.experiments.learning_curve.tuning_luck import TuningLuck

LEAST_SIZES = 3  # two points fit every shape, so they distinguish none from another
WORTHWHILE_GAIN = 0.005  # of the metric's scale: half a point of 100
SURE = 0.9  # of a verdict about one more doubling
_RISEN = 1.645  # standard errors: one-sided, 95 %


class Verdict(StrEnum):
    """What the fit says of one more doubling of the largest train size."""

    PLATEAU = "plateau"
    STILL_RISING = "still rising"
    UNDECIDED = "undecided"
    FLAT = "flat"
    TOO_FEW_SIZES = "too few sizes"


@dataclass(frozen=True, slots=True)
class Point:
    """One variant's score; `value` is None when nothing could be scored.

    `low` and `high` are its 95 % interval, `n` the rows scored, `worst` and `best` the bounds
    when coverage is low. `train_size` is None unless tuned. `groups` are those that the rows
    come from, None in older scores. `base_model` is what was tuned, empty where one alone was;
    `configuration` names the hyperparameters within a sweep, and `epochs` are those of the tuning,
    None where they are not known. A `replicate` above 0 is the
    same tuning once more. `stopped_after` counts the test rows after which a race has stopped it.
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
    groups: int | None = None
    configuration: str = ""
    epochs: int | None = None
    replicate: int = 0
    stopped_after: int | None = None
    base_model: str = ""


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """`points` are the tuned variants, smallest size first; `baselines` the prompted ones.

    The points are those of one base model and, within a sweep, of one configuration: those of the
    best score.

    `worthwhile_gain` is what one more doubling must bring to be worth it, on the metric's scale.

    `others` are compared, but make no curve: tuned models that are shown examples besides, other
    base models, and the other configurations of a sweep. `replicates` are points tuned once more:
    the fit takes the mean of each size. `tuning_error` is the standard deviation of a tuning's
    luck, on the metric's scale.
    """

    metric: str
    points: tuple[Point, ...]
    baselines: tuple[Point, ...]
    fit: CurveFit | None
    verdict: Verdict
    worthwhile_gain: float
    others: tuple[Point, ...] = ()
    replicates: tuple[Point, ...] = ()
    tuning_error: float = 0.0
    tuning_error_measured: bool = False

    @property
    def base_model(self) -> str:
        """What its points were tuned from; empty where one base model alone was."""
        return self.points[0].base_model if self.points else ""

    @property
    def is_swept(self) -> bool:
        """Whether tuned variants differ in their hyperparameters."""
        return any(each.configuration for each in (*self.points, *self.others))


def learning_curve(
    metric: str,
    variants: Sequence[Point],
    *,
    worthwhile_gain: float | None = None,
    ahead: float = 2,
    seed: int = 0,
    luck: TuningLuck | None = None,
) -> LearningCurve:
    """Sort the variants into a curve and its baselines, fit it and say what a doubling may bring.

    The band reaches to `ahead` times the largest size; `worthwhile_gain` is half a hundredth of
    the metric's scale unless given. The same variants and seed give the same curve. Raises
    Invalid for an unknown metric.
    """
    spec = find_score(metric, pointer="/metric")
    replicates = tuple(each for each in variants if each.replicate)
    variants = [each for each in variants if not each.replicate]
    best = best_tuned(variants, metric=metric)
    tuned = [each for each in variants if each.kind is VariantKind.TUNED]
    points = tuple(
        sorted(
            (each for each in tuned if best and _is_like(each, best)),
            key=lambda point: point.train_size or 0,
        )
    )
    baselines = tuple(point for point in variants if not point.kind.is_tuned)
    others = tuple(each for each in variants if each.kind.is_tuned and each not in points)
    least = WORTHWHILE_GAIN * spec.scale if worthwhile_gain is None else worthwhile_gain
    error = luck.deviation / spec.scale if luck else TUNING_ERROR
    again = [each for each in replicates if best and _is_like(each, best)]
    fit = _fit(
        points,
        again,
        spec=spec,
        worthwhile_gain=least,
        ahead=ahead,
        seed=seed,
        tuning_error=error,
        level=_best_prompt(baselines, spec=spec),
    )
    verdict = judge(points, baselines, fit, spec=spec, tuning_error=error)
    return LearningCurve(
        metric,
        points,
        baselines,
        fit,
        verdict,
        least,
        others,
        replicates,
        error * spec.scale,
        luck is not None,
    )


def _best_prompt(baselines: Sequence[Point], *, spec: MetricSpec) -> Level | None:
    scored = [each for each in baselines if each.value is not None]
    if not scored:
        return None
    sign = 1 if spec.higher_is_better else -1
    best = max(scored, key=lambda each: sign * (each.value or 0))
    return Level(best.value or 0, (best.high or 0) - (best.low or 0))


def best_tuned(variants: Sequence[Point], *, metric: str) -> Point | None:
    """Return the tuned variant without shots that scores best; without a score, the first one."""
    sign = find_score(metric, pointer="/metric").sign
    tuned = [each for each in variants if each.kind is VariantKind.TUNED and not each.replicate]
    scored = [each for each in tuned if each.value is not None and each.stopped_after is None]
    best = max(scored, key=lambda each: sign * (each.value or 0), default=None)
    return best or next(iter(tuned), None)


def _is_like(point: Point, other: Point) -> bool:
    """Return whether both were tuned from one base model with one configuration."""
    return (point.base_model, point.configuration) == (other.base_model, other.configuration)


def judge(
    points: Sequence[Point],
    baselines: Sequence[Point],
    fit: CurveFit | None,
    *,
    spec: MetricSpec,
    tuning_error: float = TUNING_ERROR,
) -> Verdict:
    """Say whether one more doubling is worthwhile: nine draws in ten must agree.

    A plateau needs a rise before it: models that have learned nothing yet are as flat. Without
    this rule half of the plateaus seen on LCDB were curves that rose later
    (bench/statistics/bands.py). Where scores lack the intervals that a fit needs, it is undecided.
    """
    if len({point.train_size for point in points if point.value is not None}) < LEAST_SIZES:
        return Verdict.TOO_FEW_SIZES
    if fit is None:
        return Verdict.UNDECIDED
    if fit.small_gain_probability >= SURE:
        has_risen = _has_risen(points, baselines, spec=spec, tuning_error=tuning_error)
        return Verdict.PLATEAU if has_risen else Verdict.FLAT
    return Verdict.STILL_RISING if fit.small_gain_probability <= 1 - SURE else Verdict.UNDECIDED


def _has_risen(
    points: Sequence[Point], baselines: Sequence[Point], *, spec: MetricSpec, tuning_error: float
) -> bool:
    """Return whether the largest size scores above the smallest one or above some prompt."""
    scored = [point for point in points if point.value is not None]
    return any(
        spec.sign * ((scored[-1].value or 0) - each.value)
        > _RISEN * _error(scored[-1], each, tuning=tuning_error * spec.scale)
        for each in (scored[0], *baselines)
        if each.value is not None
    )


def _error(first: Point, second: Point, *, tuning: float) -> float:
    """Return the standard error of a difference: of the test rows, and of both tunings."""
    widths = [(each.high or 0) - (each.low or 0) for each in (first, second)]
    return math.hypot(math.sqrt(2) * tuning, *(width / WIDTH_IN_ERRORS for width in widths))


def _fit(
    points: Sequence[Point],
    replicates: Sequence[Point],
    *,
    spec: MetricSpec,
    worthwhile_gain: float,
    ahead: float,
    seed: int,
    tuning_error: float,
    level: Level | None,
) -> CurveFit | None:
    """Fit the mean score of each size; its test rows are the same for every replicate."""
    scores = {
        point.name: [
            each.value
            for each in (point, *replicates)
            if each.train_size == point.train_size and each.value is not None
        ]
        for point in points
    }
    usable = [
        (point.train_size, scores[point.name], point.high - point.low)
        for point in points
        if point.train_size is not None and point.value is not None
        if point.low is not None and point.high is not None
    ]
    if len({size for size, _, _ in usable}) < LEAST_SIZES:
        return None
    return fit_curve(
        [size for size, _, _ in usable],
        [fmean(values) for _, values, _ in usable],
        widths=[width for _, _, width in usable],
        scale=spec.scale,
        higher_is_better=spec.higher_is_better,
        worthwhile_gain=worthwhile_gain,
        ahead=ahead,
        seed=seed,
        tuning_error=tuning_error,
        tunings=[len(values) for _, values, _ in usable],
        level=level,
    )
