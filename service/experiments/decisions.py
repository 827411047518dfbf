"""Decisions of an experiment: which size, whether tuning is worth it, and the sentence. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from service.evaluation.metrics.registry import METRICS, MetricSpec
from service.evaluation.statistics.comparison import (
    FULL_COVERAGE,
    Comparison,
    SharedRows,
    VariantScores,
    adjust_family,
    compare,
    needed_rows,
)
from service.evaluation.statistics.intervals import FEW_GROUPS
from service.experiments.curve import LearningCurve, Point, Verdict

_LEVEL = 0.05  # differences that print as 0.0


class Worth(StrEnum):
    """Whether tuning is shown to be better or worse than the best prompt."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "not shown"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the comparisons of an experiment support.

    `recommended` is the smallest train size that is not shown to be worse than `best`, the size
    with the highest score, by more than the tolerance; where a size is shown to beat
    `best_prompt`, it is one of those. `against_prompt` is recommended minus best prompt,
    `against_best` best minus recommended (None where they are one). `beats_prompt_from` is the
    smallest size shown to beat the best prompt. `fall` is the best size minus the largest, where
    the largest is shown to be worse. `rows_needed` is how many test rows would show the
    difference to the best prompt, where it is not shown yet.
    """

    worth: Worth
    recommended: Point | None
    best: Point | None
    best_prompt: Point | None
    against_prompt: Comparison | None
    against_best: Comparison | None
    beats_prompt_from: int | None
    fall: Comparison | None
    rows_needed: int | None


def decide(
    curve: LearningCurve, comparisons: Sequence[Comparison], *, tolerance: float = 0.0
) -> Decision:
    """Decide from the paired comparisons of every two scored variants, adjusted as one family.

    `tolerance` is on the metric's scale: a size may be shown to be worse by so much and still be
    recommended for its lower cost.
    """
    spec = METRICS.find(curve.metric, pointer="/metric")
    pairs = _Pairs(comparisons)
    tuned, prompts = (rank(points, spec=spec) for points in (curve.points, curve.baselines))
    best, prompt = (next(iter(points), None) for points in (tuned, prompts))
    winners = [each for each in tuned if prompt and pairs.is_better(each, prompt)]
    recommended = best and _recommend(winners or tuned, best, pairs, tolerance=tolerance)
    against = pairs.find(recommended, prompt)
    return Decision(
        worth=_worth(against),
        recommended=recommended,
        best=best,
        best_prompt=prompt,
        against_prompt=against,
        against_best=pairs.find(best, recommended) if best is not recommended else None,
        beats_prompt_from=min((each.train_size or 0 for each in winners), default=None),
        fall=_fall(tuned, best, pairs),
        rows_needed=_rows_needed(against),
    )


def compare_all(variants: Sequence[VariantScores], *, test: SharedRows) -> list[Comparison]:
    """Compare every two variants, the later with the earlier, adjusted as one family."""
    return adjust_family(
        [compare(later, one, test=test) for one, later in combinations(variants, 2)]
    )


class _Pairs:
    """Comparisons by the names of their variants, in either order."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self._found: Mapping[tuple[str, str], Comparison] = {
            key: each
            for one in comparisons
            for each in (one, one.reversed())
            for key in [(each.first, each.second)]
        }

    def find(self, first: Point | None, second: Point | None) -> Comparison | None:
        return self._found.get((first.name, second.name)) if first and second else None

    def is_better(self, first: Point, second: Point) -> bool:
        found = self.find(first, second)
        return found is not None and found.is_shown and found.difference > 0


def _recommend(
    candidates: Sequence[Point], best: Point, pairs: _Pairs, *, tolerance: float
) -> Point:
    """Return the smallest size not shown to be worse than the best by more than the tolerance."""
    good = [each for each in candidates if not _is_worse(each, best, pairs, tolerance=tolerance)]
    return min(good or [best], key=lambda each: each.train_size or 0)


def _is_worse(point: Point, best: Point, pairs: _Pairs, *, tolerance: float) -> bool:
    found = pairs.find(best, point)
    if found is None or not found.is_shown or found.low is None:
        return False
    return found.low > tolerance


def _worth(against: Comparison | None) -> Worth:
    if against is None:
        return Worth.UNKNOWN
    if not against.is_shown:
        return Worth.NOT_SHOWN
    return Worth.BETTER if against.difference > 0 else Worth.WORSE


def _fall(tuned: Sequence[Point], best: Point | None, pairs: _Pairs) -> Comparison | None:
    """Return the best size minus the largest, where the larger one is shown to be worse."""
    largest = max(tuned, key=lambda each: each.train_size or 0, default=None)
    if best is None or largest is None or not pairs.is_better(best, largest):
        return None
    return pairs.find(best, largest)


def _rows_needed(against: Comparison | None) -> int | None:
    if against is None or against.is_shown or abs(against.difference) < _LEVEL:
        return None
    return needed_rows(against, difference=abs(against.difference))


def rank(points: Iterable[Point], *, spec: MetricSpec) -> list[Point]:
    """Return the scored points, best first; of equals, the one with the fewest examples."""
    sign = -1 if spec.higher_is_better else 1
    scored = [point for point in points if point.value is not None]
    return sorted(scored, key=lambda point: (sign * (point.value or 0), point.train_size or 0))


# ---------------------------------------------------------------- in words


def answer(decision: Decision, curve: LearningCurve) -> str:
    """Say the decision in one sentence that claims no more than its intervals do."""
    title = METRICS.find(curve.metric, pointer="/metric").title
    clauses = [
        _headline(decision, title=title),
        *_sizes(decision),
        *([_outlook(curve)] if decision.best else []),
        *_gaps(curve, decision),
    ]
    return "; ".join(clauses) + "."


def _headline(decision: Decision, *, title: str) -> str:
    chosen, prompt, against = decision.recommended, decision.best_prompt, decision.against_prompt
    if chosen is None:
        return _untuned(prompt, title=title)
    score = _score_words(chosen, title=title)
    if prompt is None or against is None:
        return (
            f"Tuning on {chosen.train_size:,} examples scores {score}; "
            "no prompt was scored, so whether tuning is worth it is not known"
        )
    gap = f"{_gap_words(against)} {_label(prompt)} ({prompt.value:.1f}), the best prompt"
    match decision.worth:
        case Worth.BETTER:
            return f"Tune on {chosen.train_size:,} examples: {score}, {gap}"
        case Worth.WORSE:
            return f"Do not tune on this data: {chosen.train_size:,} examples score {score}, {gap}"
        case _:
            return (
                "Tuning is not shown to differ from prompting: "
                f"{chosen.train_size:,} examples score {score}, {gap}"
            )


def _sizes(decision: Decision) -> Iterable[str]:
    """Yield what the other sizes add: break-even, the highest score, a fall, rows that lack."""
    chosen, best, against = decision.recommended, decision.best, decision.against_best
    start = decision.beats_prompt_from
    if start is not None and chosen is not None and start != chosen.train_size:
        yield f"the smallest size shown to beat it is {start:,}"
    if best is not None and against is not None:
        more = "not shown to be better" if not against.is_shown else "better within the tolerance"
        yield f"{best.train_size:,} examples ({best.value:.1f}) are {more} {_range(against)}"
    if decision.fall is not None:
        yield (
            f"more data made it worse: {decision.fall.second} is {_gap_words(decision.fall, -1)} "
            f"{decision.fall.first}"
        )
    if decision.rows_needed is not None and decision.against_prompt is not None:
        yield f"about {decision.rows_needed:,} test rows would show a difference of this size"


def _outlook(curve: LearningCurve) -> str:
    if curve.verdict is Verdict.TOO_FEW_SIZES:
        sizes = len([point for point in curve.points if point.value is not None])
        noun = "size" if sizes == 1 else "sizes"
        return f"{sizes} {noun} cannot show whether more data would still help"
    if curve.fit is None or curve.verdict is Verdict.UNDECIDED:
        return "whether more data would still help is undecided"
    fit = curve.fit
    gain = f"{fit.gain:.1f} [{fit.gain_low:.1f}, {fit.gain_high:.1f}]"
    if curve.verdict is Verdict.PLATEAU:
        return f"more data is not shown to improve it (estimated gain of one doubling {gain})"
    return f"the curve is still rising (estimated gain of one more doubling {gain})"


def _gaps(curve: LearningCurve, decision: Decision) -> Iterable[str]:
    """Yield what is missing under the answer: scores, rows, groups."""
    everyone = (*curve.baselines, *curve.points)
    missing = [point.name for point in everyone if point.value is None]
    if missing:
        yield f"no score for {', '.join(missing)}"
    thin = [point for point in everyone if point.coverage < FULL_COVERAGE]
    partly = [_partly(point) for point in thin if point.value is not None]
    if partly:
        yield f"not every row was scored for {', '.join(partly)}"
    against = decision.against_prompt
    if against is not None and against.groups < FEW_GROUPS:
        yield f"this rests on {against.groups} groups of test rows, too few to rely on"


def _partly(point: Point) -> str:
    bounds = (
        f", so between {point.worst:.1f} and {point.best:.1f}"
        if point.worst is not None and point.best is not None
        else ""
    )
    return f"{point.name} ({point.coverage:.1%}{bounds})"


def _untuned(prompt: Point | None, *, title: str) -> str:
    if prompt is None:
        return "Nothing could be scored, so there is no answer yet"
    return (
        "No tuned model could be scored; the best prompt, "
        f"{_label(prompt)}, scores {_score_words(prompt, title=title)}"
    )


def _label(point: Point) -> str:
    return point.name.split(" (")[0]  # the number of shots would stand beside the score


def _score_words(point: Point, *, title: str) -> str:
    interval = (
        f"[{point.low:.1f}, {point.high:.1f}]"
        if point.low is not None and point.high is not None
        else "(no interval)"
    )
    return f"{point.value:.1f} {title} {interval}"


def difference_words(point: Point, decision: Decision, comparisons: Sequence[Comparison]) -> str:
    """Return a variant's difference to the best prompt for a table, such as "+5.2 [2.2, 8.4]"."""
    if decision.best_prompt is not None and point.name == decision.best_prompt.name:
        return "the best prompt"
    found = _Pairs(comparisons).find(point, decision.best_prompt)
    if found is None:
        return ""
    doubt = "" if found.is_shown else ", not shown"
    return _range(found).strip("()") + doubt


def _gap_words(found: Comparison, sign: int = 1) -> str:
    """Return "5.2 [2.2, 8.4] above": the size of a difference, its interval and its side."""
    gap = sign * found.difference
    if found.low is None or found.high is None:
        return f"{abs(gap):.1f} {'above' if gap >= 0 else 'below'}"
    ends = sorted((found.low, found.high) if found.difference >= 0 else (-found.low, -found.high))
    side = "above" if gap >= 0 else "below"
    return f"{abs(gap):.1f} [{ends[0]:.1f}, {ends[1]:.1f}] {side}"


def _range(found: Comparison) -> str:
    interval = (
        f" [{found.low:.1f}, {found.high:.1f}]"
        if found.low is not None and found.high is not None
        else ""
    )
    return f"({found.difference:+.1f}{interval})"
