"""Exact statements about a share of yes and no, also where rows come in groups. Pure."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.intervals import Interval, student_quantile

Flags = NDArray[np.bool_]
Groups = NDArray[np.integer[Any]]

_STEPS, _TINY = 10_000, 1e-300


@dataclass(frozen=True, slots=True)
class EffectiveCount:
    """A share of `trials` independent trials that says as much as rows in groups do."""

    successes: float
    trials: float
    groups: int


def effective_count(success: Flags, groups: Groups) -> EffectiveCount:
    """Return the independent trials that rows in groups are worth; at least one row.

    Rows of a group succeed or fail together, so they are worth fewer: the rows over the design
    effect, by the spread of groups around the share, with Student's t in place of the normal for
    few groups. Without a spread each group counts as one. Source: Korn and Graubard (1998),
    Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data.
    """
    rows, share = len(success), float(success.mean())
    _, places = np.unique(groups, return_inverse=True)
    sizes = np.bincount(places)
    count = len(sizes)
    if count == rows:
        return EffectiveCount(float(success.sum()), rows, count)
    if not 0 < share < 1 or count < 2:  # noqa: PLR2004 - a spread needs two
        return EffectiveCount(share * count, count, count)
    spread = np.bincount(places, weights=success) - share * sizes
    variance = count / (count - 1) * float(np.sum(spread**2)) / rows**2
    if variance == 0:  # each group has the same share
        return EffectiveCount(share * count, count, count)
    worth = share * (1 - share) / variance
    few = NormalDist().inv_cdf(0.975) / student_quantile(0.975, freedom=count - 1)
    trials = min(rows, worth * few**2)
    return EffectiveCount(share * trials, trials, count)


def exact_interval(counted: EffectiveCount, *, confidence: float = 0.95) -> Interval:
    """Return the interval of a share, 0 to 1. Source: Clopper and Pearson (1934)."""
    successes, trials = counted.successes, counted.trials
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else _beta_quantile(tail, successes, trials - successes + 1)
    high = (
        1.0
        if successes >= trials
        else _beta_quantile(1 - tail, successes + 1, max(trials - successes, 1e-9))
    )
    return Interval(low, high, counted.groups, "Clopper-Pearson, rows over their design effect")


def tail_at_most(failures: float, trials: float, *, rate: float) -> float:
    """Return the probability of at most so many failures where each trial fails at `rate`."""
    if failures >= trials:
        return 1.0
    return incomplete_beta(1 - rate, trials - failures, failures + 1)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    By its continued fraction, with Lentz's method: DLMF 8.17.22. `scipy.special` would be 28 MB
    of every worker.
    """
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # there the fraction of the other tail converges
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    numerator, denominator = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1))
    value = denominator
    for step in range(1, _STEPS):
        for factor in (
            step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
            -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1)),
        ):
            denominator = 1 / _kept(1 + factor * denominator)
            numerator = _kept(1 + factor / numerator)
            value *= denominator * numerator
        if abs(denominator * numerator - 1) < 1e-15:  # noqa: PLR2004  of a float
            break
    return value


def _kept(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _beta_quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    while high - low > 1e-12:  # noqa: PLR2004  finer than any count of rows
        middle = (low + high) / 2
        low, high = (middle, high) if incomplete_beta(middle, a, b) < share else (low, middle)
    return (low + high) / 2
