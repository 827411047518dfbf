"""The learning curve of an experiment, what more data may bring, and the answer in one sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.evaluation.metrics.registry import METRICS, MetricSpec
from service.evaluation.schemas import VariantKind
from service.evaluation.scores import FULL_COVERAGE
from service.experiments.curve_fit import CurveFit, fit_curve

LEAST_SIZES = 3  # two points fit every shape, so they tell none from another
WORTHWHILE_GAIN = 0.005  # of the metric's scale: half a point of 100
_LEVEL = 0.05  # differences that print as 0.0


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


def answer(curve: LearningCurve) -> str:
    """Say in one sentence what tuning brought against prompting and whether data still helps.

    Says no more than the intervals do: two scores differ only where theirs do not overlap.
    """
    spec = METRICS.find(curve.metric, pointer="/metric")
    prompts = _ranked(curve.baselines, spec=spec)
    tuned = _ranked(curve.points, spec=spec)
    if tuned:
        clauses = [
            _headline(tuned[0], prompts, title=spec.title),
            _against_prompts(tuned, prompts, spec=spec),
            _outlook(curve, sizes=len(tuned)),
        ]
    else:
        clauses = [_untuned(prompts, title=spec.title)]
    return "; ".join([*clauses, *_gaps(curve)]) + "."


def differ(one: Point, other: Point) -> bool:
    """Say whether both scores have intervals and these do not overlap.

    Where rows are missing, the interval reaches out to the bounds: a score over the rows that
    happened to succeed shows nothing about those that did not.
    """
    first, second = _reach(one), _reach(other)
    if first is None or second is None:
        return False
    return first[0] > second[1] or second[0] > first[1]


def _reach(point: Point) -> tuple[float, float] | None:
    if point.low is None or point.high is None:
        return None
    ends = [point.low, point.high, *(end for end in (point.worst, point.best) if end is not None)]
    return min(ends), max(ends)


def _value(point: Point) -> float:
    return point.value if point.value is not None else float("nan")


def _ranked(points: Iterable[Point], *, spec: MetricSpec) -> list[Point]:
    """Return the scored points, best first; of equals, the one with the fewest examples."""
    sign = -1 if spec.higher_is_better else 1
    scored = [point for point in points if point.value is not None]
    return sorted(scored, key=lambda point: (sign * _value(point), point.train_size or 0))


def _label(point: Point) -> str:
    return point.name.split(" (")[0]  # the number of shots would stand beside the score


def _scored(point: Point, *, title: str) -> str:
    interval = (
        f"[{point.low:.1f}, {point.high:.1f}]"
        if point.low is not None and point.high is not None
        else "(no interval)"
    )
    return f"{_value(point):.1f} {title} {interval}"


def _headline(best: Point, prompts: Sequence[Point], *, title: str) -> str:
    score = _scored(best, title=title)
    against = " and ".join(_comparison(best, prompt) for prompt in prompts)
    return f"Tuning on {best.train_size:,} examples scores {score}" + (against and f", {against}")


def _comparison(tuned: Point, prompt: Point) -> str:
    gap = _value(tuned) - _value(prompt)
    named = f"{_label(prompt)} ({_value(prompt):.1f})"
    if abs(gap) < _LEVEL:
        return f"level with {named}"
    doubt = "" if differ(tuned, prompt) else " but not shown to differ from"
    return f"{abs(gap):.1f} {'above' if gap > 0 else 'below'}{doubt} {named}"


def _against_prompts(tuned: Sequence[Point], prompts: Sequence[Point], *, spec: MetricSpec) -> str:
    if not prompts:
        return "no prompt was scored, so whether tuning is worth it is not known"
    prompt = prompts[0]
    winners = [
        point.train_size or 0
        for point in tuned
        if differ(point, prompt) and _ranked([point, prompt], spec=spec)[0] is point
    ]
    if winners and len(tuned) == 1:
        return f"{winners[0]:,}, the only size scored, beats the best prompt"
    if winners:
        return f"the smallest size that beats the best prompt is {min(winners):,}"
    if differ(tuned[0], prompt):
        return f"the best prompt, {_label(prompt)}, beats the best tuned size"
    return "no size is shown to beat the best prompt"


def _outlook(curve: LearningCurve, *, sizes: int) -> str:
    if curve.verdict is Verdict.TOO_FEW_SIZES:
        noun = "size" if sizes == 1 else "sizes"
        return f"{sizes} {noun} cannot show whether more data would still help"
    if curve.fit is None or curve.verdict is Verdict.UNDECIDED:
        return "whether more data would still help is undecided"
    fit = curve.fit
    gain = f"{fit.gain:.1f} [{fit.gain_low:.1f}, {fit.gain_high:.1f}]"
    if curve.verdict is Verdict.PLATEAU:
        return f"more data is not shown to improve it (estimated gain of one doubling {gain})"
    return f"the curve is still rising (estimated gain of one more doubling {gain})"


def _untuned(prompts: Sequence[Point], *, title: str) -> str:
    if not prompts:
        return "Nothing could be scored, so there is no answer yet"
    best = prompts[0]
    return (
        "No tuned model could be scored; the best prompt, "
        f"{_label(best)}, scores {_scored(best, title=title)}"
    )


def _gaps(curve: LearningCurve) -> Iterable[str]:
    """Yield what is missing under the answer: variants without a score, rows without an answer."""
    everyone = (*curve.baselines, *curve.points)
    missing = [point.name for point in everyone if point.value is None]
    if missing:
        yield f"no score for {', '.join(missing)}"
    thin = [point for point in everyone if point.coverage < FULL_COVERAGE]
    partly = [_partly(point) for point in thin if point.value is not None]
    if partly:
        yield f"not every row was scored for {', '.join(partly)}"


def _partly(point: Point) -> str:
    bounds = (
        f", so between {point.worst:.1f} and {point.best:.1f}"
        if point.worst is not None and point.best is not None
        else ""
    )
    return f"{point.name} ({point.coverage:.1%}{bounds})"
