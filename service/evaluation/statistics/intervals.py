"""Confidence intervals of scores, with rows or groups of rows as the unit. Pure, no random numbers.

Rows of one article, author or template succeed or fail together, so where a test split has groups
the group is the unit: an interval over rows would be too narrow (on SQuAD by a factor of 2.8).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Totals = Callable[[Array], Array]

_MANY = 1000  # degrees of freedom
FEW_GROUPS = 10  # below it an interval is said to rest on few groups


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` and `high` on the metric's scale; `groups` are the independent units behind them."""

    low: float
    high: float
    groups: int
    method: str


def sum_by_group(statistics: Array, *, groups: Sequence[str] | NDArray[Any]) -> Array:
    """Return one row of summed statistics for each distinct group, in the order of their names.

    The order of the rows does not change the result, so neither does it change an interval.
    """
    names = np.asarray(groups)
    order = np.argsort(names, kind="stable")
    names = names[order]
    differs = np.concatenate([[True], names[1:] != names[:-1]])[: len(names)]
    del names  # each of these is megabytes
    starts = np.flatnonzero(differs)
    sums: Array = np.add.reduceat(statistics[order], starts, axis=0)
    return sums


def wilson_interval(
    successes: float, trials: int, *, scale: float = 1.0, confidence: float
) -> Interval:
    """Return the score interval of a proportion of independent rows, 0 to `scale`.

    Never empty: 0 of 400 gives [0, 0.0095]. Source: Wilson (1927); recommended over Wald and
    over the exact interval by Agresti and Coull (1998) and Brown, Cai and DasGupta (2001).
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    # At 0 and at 1 the ends are exact, which rounding would miss by 1e-17.
    low = 0.0 if successes == 0 else float(centre - half)
    high = 1.0 if successes == trials else float(centre + half)
    return Interval(scale * low, scale * high, trials, "Wilson score interval of rows")


def jackknife_interval(
    sums: Array, totals: Totals, *, scale: float, confidence: float
) -> Interval | None:
    """Return the interval of a score from the sums of each group; None for fewer than two groups.

    `sums` has one row of sufficient statistics for each group and `totals` turns rows of sums
    into scores from 0 to `scale`. Each group is left out once; the spread of those scores gives
    the standard error on the logit scale, and Student's t with groups - 1 degrees of freedom
    the width. So the interval stays within the scale and covers as it should from eight groups
    on (bench/statistics), where the percentiles of a bootstrap are too narrow.

    A score at an end of the scale has no spread: then each group counts as one trial, and the
    far end is that of Clopper and Pearson (1934), 1 - (tail ** (1 / groups)).

    Sources: Efron and Tibshirani (1993), chapter 11, for the jackknife; MacKinnon, Nielsen and
    Webb (2023), Fast and reliable jackknife and bootstrap methods for cluster-robust inference,
    for groups as its unit and t; Korn and Graubard (1998) for the logit of a clustered share.
    """
    count = len(sums)
    if count < 2:  # noqa: PLR2004 - a spread needs two
        return None
    share = float(totals(sums.sum(axis=0, dtype=np.float64))) / scale
    error = jackknife_error(sums, totals) / scale
    tail = (1 - confidence) / 2
    method = f"delete-one-group jackknife, logit scale, t with {count - 1} degrees of freedom"
    if not 0 < share < 1 or error == 0:
        reach = 1 - tail ** (1 / count)
        low, high = max(0.0, share - reach), min(1.0, share + reach)
        return Interval(scale * low, scale * high, count, f"Clopper-Pearson over {count} groups")
    half = student_quantile(1 - tail, freedom=count - 1) * error / (share * (1 - share))
    centre = np.log(share / (1 - share))
    low, high = (1 / (1 + np.exp(-(centre + side * half))) for side in (-1, 1))
    return Interval(float(scale * low), float(scale * high), count, method)


def jackknife_error(sums: Array, totals: Totals) -> float:
    """Return the standard error of a score: from the scores that leave out one group each."""
    left_out = totals(sums.sum(axis=0, dtype=np.float64) - sums)
    count = len(left_out)
    return float(np.sqrt((count - 1) / count * np.sum((left_out - left_out.mean()) ** 2)))


def student_quantile(share: float, *, freedom: int) -> float:
    """Return the quantile of Student's t with `freedom` degrees of freedom, for share >= 0.5.

    Found by bisection of `student_p`, to 1e-9; `scipy.special` would be 28 MB of every worker.
    """
    wanted, low, high = 2 * (1 - share), 0.0, 1e6
    while high - low > 1e-10 * (1 + low):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom=freedom) > wanted else (low, middle)
    return (low + high) / 2


def student_p(value: float, *, freedom: int) -> float:
    """Return the two-sided p-value of a t statistic.

    Source: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, the finite series for whole degrees
    of freedom; from 1,000 on the normal approximation 26.7.8, right to 1e-7.
    """
    if freedom >= _MANY:
        z = value * (1 - 1 / (4 * freedom)) / math.sqrt(1 + value * value / (2 * freedom))
        return math.erfc(abs(z) / math.sqrt(2))
    angle = math.atan(abs(value) / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    term = 1.0 if freedom % 2 == 0 else math.cos(angle)
    total = 0.0 if freedom == 1 else term
    for order in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= square * (order - 1) / order
        total += term
    inside = sine * total if freedom % 2 == 0 else 2 / math.pi * (angle + sine * total)
    return max(0.0, 1 - inside)
