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

from service.evaluation.statistics.distributions import student_quantile

Array = NDArray[np.floating[Any]]
Totals = Callable[[Array], Array]

FEW_GROUPS = 10  # below it an interval is said to rest on few groups
_SKEWLESS_FREEDOM = 4  # degrees of freedom with which a skewness counts for nothing


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` and `high` on the metric's scale; `groups` are the independent units behind them."""

    low: float
    high: float
    groups: int
    method: str


@dataclass(frozen=True, slots=True)
class GroupSums:
    """Statistics summed by group, one row each in the order of the groups' names, and how many
    rows of the test each group has.
    """

    sums: Array
    rows: NDArray[np.integer[Any]]

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def freedom(self) -> float:
        return degrees_of_freedom(self.rows)


def sum_by_group(statistics: Array, *, groups: Sequence[str] | NDArray[Any]) -> GroupSums:
    """Return the summed statistics of each distinct group.

    The order of the rows does not change the result, so neither does it change an interval.
    """
    names = np.asarray(groups)
    order = np.argsort(names, kind="stable")
    names = names[order]
    differs = np.concatenate([[True], names[1:] != names[:-1]])[: len(names)]
    del names  # each of these is megabytes
    starts = np.flatnonzero(differs)
    sums: Array = np.add.reduceat(statistics[order], starts, axis=0)
    return GroupSums(sums, np.diff(starts, append=len(order)))


def degrees_of_freedom(rows: NDArray[np.integer[Any]]) -> float:
    """Return those of a spread between groups with so many rows each: from 1 to groups less one.

    Groups of one size count fully, a few large ones among small ones as few. Satterthwaite's
    approximation for the mean of rows that are alike no more within a group than between them:
    Bell and McCaffrey (2002), Bias reduction in standard errors for linear regression with
    multi-stage samples, here in closed form; recommended by Imbens and Kolesár (2016), Robust
    standard errors in small samples. With the plain number less one, intervals of eight groups
    from 1 to 40 rows hold 92 % in place of 95.
    """
    shares = np.asarray(rows, dtype=np.float64) / np.sum(rows)
    if len(shares) < 2:  # noqa: PLR2004 - a spread needs two
        return 1.0
    pulls = shares**2 / (1 - shares)
    return float(1 / (np.sum(shares**2) + pulls.sum() ** 2 - np.sum(pulls**2)))


def wilson_interval(
    successes: float, trials: float, *, scale: float = 1.0, confidence: float
) -> Interval:
    """Return the score interval of a proportion of independent rows, 0 to `scale`.

    Never empty: 0 of 400 gives [0, 0.0095]. Source: Wilson (1927); recommended over Wald and
    over the exact interval by Agresti and Coull (1998) and Brown, Cai and DasGupta (2001).
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    low, high = _score_ends(share, trials, z)
    # At 0 and at 1 the ends are exact, which rounding would miss by 1e-17.
    low, high = (0.0 if share == 0 else low), (1.0 if share == 1 else high)
    return Interval(scale * low, scale * high, int(trials), "Wilson score interval of rows")


def grouped_interval(
    found: GroupSums, totals: Totals, *, scale: float, confidence: float
) -> Interval | None:
    """Return the interval of a score from the sums of each group; None for fewer than two groups.

    `totals` turns rows of sums into scores from 0 to `scale`. Each group is left out once, and the
    spread of those scores gives a standard error, as `reduced_error` has it: a score of so much
    error says as much as a share of p (1 - p) / error ** 2 independent trials, whose score interval
    this is, with Student's t in place of the normal. So it stays within the scale and covers as it
    should from eight groups on (bench/statistics), where the percentiles of a bootstrap are too
    narrow.

    A score at an end of the scale has no spread: then each group counts as one trial, and the
    far end is that of Clopper and Pearson (1934), 1 - (tail ** (1 / groups)).

    Sources: Efron and Tibshirani (1993), chapter 11, for the jackknife; MacKinnon, Nielsen and
    Webb (2023), Fast and reliable jackknife and bootstrap methods for cluster-robust inference,
    for groups as its unit; Dean and Pagano (2015), Evaluating confidence interval methods for
    binomial proportions in clustered surveys, and Franco, Little, Louis and Slud (2019),
    Comparative study of confidence intervals for proportions in complex sample surveys, for
    Wilson's interval over the effective sample size.
    """
    count = len(found)
    if count < 2:  # noqa: PLR2004 - a spread needs two
        return None
    share = float(totals(found.sums.sum(axis=0, dtype=np.float64))) / scale
    error = reduced_error(found, totals) / scale
    tail = (1 - confidence) / 2
    if not 0 < share < 1 or error == 0:
        reach = 1 - tail ** (1 / count)
        low, high = max(0.0, share - reach), min(1.0, share + reach)
        return Interval(scale * low, scale * high, count, f"Clopper-Pearson over {count} groups")
    t = student_quantile(1 - tail, freedom=found.freedom)
    low, high = _score_ends(share, share * (1 - share) / error**2, t)
    method = (
        "Wilson score interval of rows over their design effect (groups left out, CR2), t with "
        f"{found.freedom:.1f} degrees of freedom"
    )
    return Interval(scale * low, scale * high, count, method)


def standard_error(low: float, high: float, *, freedom: float) -> float:
    """Return the standard error that a 95 % interval of Student's t was made from.

    With few groups the interval is wider than the 3.92 errors of the normal: 4.5 with ten.
    """
    return (high - low) / (2 * student_quantile(0.975, freedom=freedom))


def _score_ends(share: float, trials: float, z: float) -> tuple[float, float]:
    """Return the shares from which `share` of the trials is `z` standard errors away."""
    scaled = z * z / trials
    centre = (share + scaled / 2) / (1 + scaled)
    half = np.sqrt(share * (1 - share) * scaled + scaled * scaled / 4) / (1 + scaled)
    return float(centre - half), float(centre + half)


def jackknife_error(sums: Array, totals: Totals) -> float:
    """Return the standard error of a score: from the scores that leave out one group each."""
    left_out = totals(sums.sum(axis=0, dtype=np.float64) - sums)
    count = len(left_out)
    return float(np.sqrt((count - 1) / count * np.sum((left_out - left_out.mean()) ** 2)))


def reduced_error(found: GroupSums, totals: Totals) -> float:
    """Return the standard error of a score without the jackknife's bias for groups unlike in size.

    The jackknife (CR3) is too large where groups differ in size, the more so the fewer they are. So
    each deviation counts less by the group's share of the rows (CR2, Bell and McCaffrey 2002), by
    which the error of a mean is unbiased if rows are alike no more within a group. Groups of one
    size give the jackknife's own.
    """
    return float(np.sqrt(np.sum(_deviations(found, totals) ** 2)))


def symmetric_error(found: GroupSums, totals: Totals) -> float:
    """Return the standard error of a difference for a symmetric 95 % interval: widened for skew.

    Where one tail of the groups is long, the difference and its error move together: too often the
    error is small where the difference is far off. By the expansion of Student's statistic (Hall
    1992, The Bootstrap and Edgeworth Expansion, section 2.6) a skewness g of the estimate costs a
    symmetric interval what a factor of 1 + g ** 2 (t ** 4 + 2 t ** 2 - 3) / 18 gives back. The
    skewness of few groups is mostly chance, and so counts in full with many degrees of freedom,
    not at all with four, where Student's t has no fourth moment (bench/statistics/coverage.py).
    """
    deviations = _deviations(found, totals)
    error = float(np.sqrt(np.sum(deviations**2)))
    apart = deviations - deviations.mean()
    spread = float(np.sum(apart**2))
    if found.freedom <= _SKEWLESS_FREEDOM or spread == 0:
        return error
    skewness = float(np.sum((apart / math.sqrt(spread)) ** 3))
    t = student_quantile(0.975, freedom=found.freedom)
    weight = 1 - _SKEWLESS_FREEDOM / found.freedom
    return error * (1 + weight * skewness * skewness * (t**4 + 2 * t**2 - 3) / 18)


def _deviations(found: GroupSums, totals: Totals) -> Array:
    """Return how far the score is from that without each group, by the groups' shares of rows."""
    whole = found.sums.sum(axis=0, dtype=np.float64)
    apart = totals(whole) - totals(whole - found.sums)
    deviations: Array = apart * np.sqrt(1 - found.rows / found.rows.sum())
    return deviations
