"""Exact statements about a share of yes and no, also where rows come in groups. Pure."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.distributions import (
    beta_quantile,
    incomplete_beta,
    student_quantile,
)
from service.evaluation.statistics.intervals import Interval, degrees_of_freedom

Flags = NDArray[np.bool_]
Groups = NDArray[np.integer[Any]]


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
    freedom = degrees_of_freedom(sizes)
    few = NormalDist().inv_cdf(0.975) / student_quantile(0.975, freedom=freedom)
    trials = min(rows, worth * few**2)
    return EffectiveCount(share * trials, trials, count)


def exact_interval(counted: EffectiveCount, *, confidence: float = 0.95) -> Interval:
    """Return the interval of a share, 0 to 1. Source: Clopper and Pearson (1934)."""
    successes, trials = counted.successes, counted.trials
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else beta_quantile(tail, successes, trials - successes + 1)
    high = (
        1.0
        if successes >= trials
        else beta_quantile(1 - tail, successes + 1, max(trials - successes, 1e-9))
    )
    return Interval(low, high, counted.groups, "Clopper-Pearson, rows over their design effect")


def tail_at_most(failures: float, trials: float, *, rate: float) -> float:
    """Return the probability of at most so many failures where each trial fails at `rate`."""
    if failures >= trials:
        return 1.0
    return incomplete_beta(1 - rate, trials - failures, failures + 1)
