"""Decisions of an experiment: which size, is tuning worth it, the order of variants. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import comb

from service.evaluation.metrics.registry import MetricSpec, find_score
from service.evaluation.statistics.comparison import (
    Comparison,
    SharedRows,
    VariantScores,
    adjust_family,
    adjust_selected,
    compare,
)
from service.evaluation.statistics.power import needed_rows
from service.experiments.learning_curve.curve import LearningCurve, Point

PAIRS_UP_TO = 24  # variants; every pair of 200 would be 19,900 tests
_LEVEL = 0.05  # differences that print as 0.0


class SizeBasis(StrEnum):
    """Why a size is recommended: what is known of how much it loses to the best one."""

    BEST = "best"
    AS_GOOD = "as good"  # its loss is shown to be within the tolerance (non-inferiority)
    NOT_SHOWN = "not shown to be worse"  # by more than the tolerance: it may be all the same


class Worth(StrEnum):
    """Whether tuning is shown to be better or worse than the best prompt."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "not shown"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the comparisons of an experiment support.

    `recommended` is the smallest train size that is shown to beat `best_prompt` and not shown to
    be worse than `best`, the size with the highest score, by more than the `tolerance`; None where
    no size is shown to beat the prompt. `basis` says how sure that is. `candidate` stands for
    tuning beside the best prompt: the recommended size, else the best. `against_prompt` is
    candidate minus best prompt, `against_best` best minus recommended (None where they are one).
    `beats_prompt_from` is the smallest size shown to beat the best prompt. `fall` is the best size
    minus the largest, where the largest is shown to be worse. `rows_needed` is how many test rows
    would show the difference to the best prompt, where it is not shown yet, and
    `size_rows_needed` how many would show whether the recommended size is worse than the best.
    """

    worth: Worth
    recommended: Point | None
    basis: SizeBasis | None
    candidate: Point | None
    best: Point | None
    best_prompt: Point | None
    against_prompt: Comparison | None
    against_best: Comparison | None
    beats_prompt_from: int | None
    fall: Comparison | None
    rows_needed: int | None
    size_rows_needed: int | None
    tolerance: float


def decide(
    curve: LearningCurve, comparisons: Sequence[Comparison], *, tolerance: float = 0.0
) -> Decision:
    """Decide from the paired comparisons of every two scored variants, adjusted as one family.

    `tolerance` is on the metric's scale: a size may be shown to be worse by so much and still be
    recommended for its lower cost.
    """
    spec = find_score(curve.metric, pointer="/metric")
    pairs = PairedComparisons(comparisons)
    tuned, prompts = (rank(points, spec=spec) for points in (curve.points, curve.baselines))
    best, prompt = (next(iter(points), None) for points in (tuned, prompts))
    winners = [each for each in tuned if prompt and pairs.is_better(each, prompt)]
    pool = winners if prompt else tuned
    recommended = _recommend(pool, best, pairs, tolerance=tolerance) if best and pool else None
    candidate = recommended or best
    against = pairs.find(candidate, prompt)
    within = pairs.find(best, recommended) if best is not recommended else None
    basis = _basis(within, tolerance=tolerance) if recommended else None
    tests = len(comparisons)
    return Decision(
        worth=_worth(against),
        recommended=recommended,
        basis=basis,
        candidate=candidate,
        best=best,
        best_prompt=prompt,
        against_prompt=against,
        against_best=within,
        beats_prompt_from=min((each.train_size or 0 for each in winners), default=None),
        fall=_fall(tuned, best, pairs),
        rows_needed=_rows_needed(against, tests=tests),
        size_rows_needed=_rows_needed(within, apart=tolerance, tests=tests)
        if basis is SizeBasis.NOT_SHOWN
        else None,
        tolerance=tolerance,
    )


def compare_all(
    variants: Sequence[VariantScores], *, test: SharedRows, prompts: Collection[str] = ()
) -> list[Comparison]:
    """Compare every two variants, the later with the earlier, adjusted as one family.

    Of more than `PAIRS_UP_TO` only the best one and the `prompts` are compared with all others.
    Which one is best is known from the same rows, so p-values are adjusted as if all pairs had
    been compared (Bonferroni).
    """
    if len(variants) <= PAIRS_UP_TO:
        return adjust_family(
            [compare(later, one, test=test) for one, later in combinations(variants, 2)]
        )
    centres = {_best_of(variants, test=test).name, *prompts}
    found = [
        compare(later, one, test=test)
        for one, later in combinations(variants, 2)
        if not centres.isdisjoint({one.name, later.name})
    ]
    return adjust_selected(found, of=comb(len(variants), 2))


def _best_of(variants: Sequence[VariantScores], *, test: SharedRows) -> VariantScores:
    return max(
        variants,
        key=lambda each: test.sign * float(test.totals(each.statistics[each.answered].sum(axis=0))),
    )


class PairedComparisons:
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
    candidates: Sequence[Point], best: Point, pairs: PairedComparisons, *, tolerance: float
) -> Point:
    """Return the smallest size not shown to be worse than the best by more than the tolerance."""
    good = [each for each in candidates if not _is_worse(each, best, pairs, tolerance=tolerance)]
    return min(good or [best], key=lambda each: each.train_size or 0)


def _is_worse(point: Point, best: Point, pairs: PairedComparisons, *, tolerance: float) -> bool:
    found = pairs.find(best, point)
    if found is None or not found.is_shown or found.low is None:
        return False
    return found.low > tolerance


def _basis(within: Comparison | None, *, tolerance: float) -> SizeBasis:
    """Return how much is known of a size's loss to the best, which is `within`."""
    if within is None:
        return SizeBasis.BEST
    is_as_good = within.high is not None and within.high <= tolerance
    return SizeBasis.AS_GOOD if is_as_good else SizeBasis.NOT_SHOWN


def _worth(against: Comparison | None) -> Worth:
    if against is None:
        return Worth.UNKNOWN
    if not against.is_shown:
        return Worth.NOT_SHOWN
    return Worth.BETTER if against.difference > 0 else Worth.WORSE


def _fall(
    tuned: Sequence[Point], best: Point | None, pairs: PairedComparisons
) -> Comparison | None:
    """Return the best size minus the largest, where the larger one is shown to be worse."""
    largest = max(tuned, key=lambda each: each.train_size or 0, default=None)
    if best is None or largest is None or not pairs.is_better(best, largest):
        return None
    return pairs.find(best, largest)


def _rows_needed(found: Comparison | None, *, tests: int, apart: float = 0.0) -> int | None:
    """Return how many rows would show a difference, were it as large as now, from `apart`."""
    if found is None or (found.is_shown and not apart):
        return None
    away = abs(found.difference - apart)
    return needed_rows(found, difference=away, tests=tests) if away >= _LEVEL else None


def rank(points: Iterable[Point], *, spec: MetricSpec) -> list[Point]:
    """Return the scored points, best first; of equals, the one with the fewest examples.

    Those that a race has stopped are left out: they are shown to lose, and lack rows.
    """
    scored = [each for each in points if each.value is not None and each.stopped_after is None]
    return sorted(
        scored, key=lambda point: (-spec.sign * (point.value or 0), point.train_size or 0)
    )


@dataclass(frozen=True, slots=True)
class RankedVariant:
    """`to_best` is the best variant minus this one; None for the best, and where it is not known.

    `is_worse` says that it is shown to be worse than the best, with its p-value adjusted for how
    many variants there are.
    """

    rank: int
    name: str
    value: float
    to_best: Comparison | None
    is_worse: bool


def rank_variants(
    points: Sequence[Point], comparisons: Sequence[Comparison], *, spec: MetricSpec
) -> tuple[RankedVariant, ...]:
    """Return the scored variants, best first; of equals the one with the fewest examples."""
    ordered = rank(points, spec=spec)
    pairs = PairedComparisons(comparisons)
    best = ordered[0] if ordered else None
    return tuple(
        RankedVariant(
            rank=place,
            name=each.name,
            value=each.value or 0.0,
            to_best=pairs.find(best, each),
            is_worse=best is not None and pairs.is_better(best, each),
        )
        for place, each in enumerate(ordered, start=1)
    )
