"""Paired comparisons: two variants on the same test rows. Pure; the same rows give the same answer.

Both variants met the same rows, so what is easy or hard in a row cancels out: a paired difference
is often several times more certain than two scores side by side suggest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.distributions import student_p, student_quantile
from service.evaluation.statistics.intervals import (
    Array,
    GroupSums,
    Totals,
    standard_error,
    sum_by_group,
    symmetric_error,
)
from service.evaluation.statistics.significance import (
    RESAMPLES,
    holm,
    mcnemar_p,
    paired_bootstrap_p,
)

FULL_COVERAGE = 0.99  # of the rows; below it a comparison is given with its bounds
SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class VariantScores:
    """One variant's row statistics: `statistics[i]` belongs to test row i.

    `answered[i]` is False where the row has no scored answer; `worst` and `best` then hold the
    statistics of the least and the most that an answer could have earned.
    """

    name: str
    statistics: Array
    answered: NDArray[np.bool_]
    worst: Array
    best: Array


Bounds = Callable[[VariantScores], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class SharedRows:
    """What all variants share: the group of each row (a number), and the metric's arithmetic.

    `binary` says that a row earns 0 or 1 and the score is their mean. `bounds` returns the worst
    and the best score of a variant; without it the missing rows' statistics add up to them.
    """

    groups: NDArray[np.integer[Any]]
    totals: Totals
    scale: float
    binary: bool
    higher_is_better: bool = True
    bounds: Bounds | None = None

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first` minus `second` on the metric's scale, positive where `first` is better.

    `low` and `high` bound the difference with 95 % confidence, None with fewer than two groups.
    `p_value` is of one comparison, `adjusted_p` of the family it belongs to (Holm). `worst` and
    `best` are the differences had the rows without an answer gone against or for `first`; None
    at full coverage. `rows` were answered by both, in `groups` groups; `freedom` has the degrees of
    freedom of the interval, `groups` - 1 where all are of one size, None in earlier versions.
    """

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    adjusted_p: float | None
    rows: int
    groups: int
    coverage: float
    worst: float | None
    best: float | None
    method: str
    freedom: float | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the difference is shown: after Holm's adjustment and whatever is missing."""
        if self.adjusted_p is None or self.adjusted_p > SIGNIFICANCE:
            return False
        if self.worst is None or self.best is None:
            return True
        return self.worst * self.best > 0 and self.worst * self.difference > 0

    @property
    def standard_error(self) -> float | None:
        """That of the difference, by its interval; None without one."""
        if self.low is None or self.high is None:
            return None
        return standard_error(self.low, self.high, freedom=self.degrees)

    @property
    def degrees(self) -> float:
        """Degrees of freedom, also of comparisons that were stored without them."""
        return self.freedom or max(1, self.groups - 1)

    def reversed(self) -> "Comparison":
        """The same comparison as `second` minus `first`."""
        low, high, worst, best = (
            None if end is None else -end for end in (self.high, self.low, self.best, self.worst)
        )
        return replace(
            self,
            first=self.second,
            second=self.first,
            difference=-self.difference,
            low=low,
            high=high,
            worst=worst,
            best=best,
        )


def compare(
    first: VariantScores, second: VariantScores, *, test: SharedRows, seed: int = 0
) -> Comparison:
    """Compare two variants on the rows that both have answered.

    Independent rows that earn 0 or 1: McNemar's exact test. Other independent rows: the paired
    bootstrap that sacreBLEU runs. Rows in groups: groups left out in turn with Student's t, whose
    degrees of freedom are fewer where groups differ in size, and an error that grows with the
    skewness of the groups (`symmetric_error`). The interval is of that error throughout. `seed` is
    the bootstrap's.
    """
    both = first.answered & second.answered
    groups = test.groups[both]
    pair = [sum_by_group(each.statistics[both], groups=groups) for each in (first, second)]
    count, freedom = len(pair[0]), pair[0].freedom
    sums = [each.sums for each in pair]
    difference = test.sign * _difference(sums, test.totals)
    error = _error(pair, test.totals) if count > 1 else None
    interval = _interval(difference, error, count, freedom=freedom, scale=test.scale)
    p_value, method = _p_value(
        first, second, pair, both=both, error=error, difference=difference, test=test, seed=seed
    )
    coverage = float(both.mean()) if len(both) else 0.0
    worst, best = _bounds(first, second, test) if coverage < FULL_COVERAGE else (None, None)
    return Comparison(
        first=first.name,
        second=second.name,
        difference=difference,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        p_value=p_value,
        adjusted_p=p_value,
        rows=int(both.sum()),
        groups=count,
        coverage=coverage,
        worst=worst,
        best=best,
        method=method,
        freedom=freedom if interval else None,
    )


def adjust_family(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with p-values adjusted for how many are read together (Holm)."""
    known = [each.p_value for each in comparisons if each.p_value is not None]
    adjusted = dict(zip(sorted(known), holm(sorted(known)), strict=True))
    return [
        each if each.p_value is None else replace(each, adjusted_p=adjusted[each.p_value])
        for each in comparisons
    ]


def adjust_selected(comparisons: Sequence[Comparison], *, of: int) -> list[Comparison]:
    """Return comparisons that were picked by their data, with p-values adjusted for all `of` which
    they were picked (Bonferroni): whichever are read, the chance of one false difference or more
    stays at the level.
    """
    return [
        each if each.p_value is None else replace(each, adjusted_p=min(1.0, of * each.p_value))
        for each in comparisons
    ]


def _difference(pair: Sequence[Array], totals: Totals) -> float:
    first, second = (totals(sums.sum(axis=0)) for sums in pair)
    return float(first - second)


def _error(pair: Sequence[GroupSums], totals: Totals) -> float:
    """Return the standard error of the difference of two scores over the same groups."""
    width = pair[0].sums.shape[1]
    both = GroupSums(np.hstack([each.sums for each in pair]), pair[0].rows)
    return symmetric_error(both, lambda sums: totals(sums[..., :width]) - totals(sums[..., width:]))


def _interval(
    difference: float, error: float | None, count: int, *, freedom: float, scale: float
) -> tuple[float, float] | None:
    """Return the ends of the difference; without any spread, what `count` trials may have missed.

    Sources as in `service.evaluation.statistics.intervals`.
    """
    if error is None:
        return None
    half = student_quantile(1 - SIGNIFICANCE / 2, freedom=freedom) * error
    if error == 0:
        half = scale * (1 - (SIGNIFICANCE / 2) ** (1 / count))
    return max(-scale, difference - half), min(scale, difference + half)


def _p_value(
    first: VariantScores,
    second: VariantScores,
    pair: Sequence[GroupSums],
    *,
    both: NDArray[np.bool_],
    error: float | None,
    difference: float,
    test: SharedRows,
    seed: int,
) -> tuple[float | None, str]:
    count = len(pair[0])
    if error is None:
        return None, "no test: fewer than two groups"
    if count == both.sum() and test.binary:
        ahead = first.statistics[both, 0] - second.statistics[both, 0]
        p_value = mcnemar_p(int((ahead > 0).sum()), int((ahead < 0).sum()))
        return p_value, "McNemar's exact test of rows"
    if count == both.sum():
        return paired_bootstrap_p(pair[0].sums, pair[1].sums, test.totals, seed=seed), (
            f"paired bootstrap of rows, {RESAMPLES:,} resamples"
        )
    freedom = pair[0].freedom
    return _group_p(difference, error, count=count, freedom=freedom), (
        f"jackknife over {count} groups, t with {freedom:.1f} degrees of freedom"
    )


def _group_p(difference: float, error: float, *, count: int, freedom: float) -> float:
    """Return the p-value of Student's t; without any spread, of as many like signs."""
    if error > 0:
        return student_p(difference / error, freedom=freedom)
    return 1.0 if difference == 0 else float(2 * 0.5**count)


def _bounds(first: VariantScores, second: VariantScores, test: SharedRows) -> tuple[float, float]:
    """Return the least and the greatest difference that the rows without an answer allow."""
    (least, most), (other_least, other_most) = (
        test.bounds(each) if test.bounds else _summed(each, test) for each in (first, second)
    )
    ends = (test.sign * (least - other_most), test.sign * (most - other_least))
    return min(ends), max(ends)


def _summed(variant: VariantScores, test: SharedRows) -> tuple[float, float]:
    worst, best = (
        float(test.totals(_filled(variant, end).sum(axis=0, dtype=np.float64)))
        for end in ("worst", "best")
    )
    return worst, best


def _filled(variant: VariantScores, end: str) -> Array:
    fillers: Mapping[str, Array] = {"worst": variant.worst, "best": variant.best}
    return np.where(variant.answered[:, None], variant.statistics, fillers[end])
