"""Tests of significance for paired scores. Pure."""

import math
from collections.abc import Sequence

import numpy as np

from service.evaluation.statistics.intervals import Array, Totals

RESAMPLES = 2000


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of rows that only one of two variants has right.

    Source: McNemar (1947); exact binomial form as in Dietterich (1998).
    """
    discordant = only_first + only_second
    fewer = sum(math.comb(discordant, count) for count in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * fewer / 2**discordant))


def paired_bootstrap_p(first: Array, second: Array, totals: Totals, *, seed: int) -> float:
    """Return the two-sided p-value of the difference of two scores over the same rows.

    The differences of the resamples, centred, that reach the observed one count (Koehn 2004;
    Riezler and Maxwell 2005). sacreBLEU counts one side of their absolute values, and so calls
    10 % of equal systems different where 5 % are promised; this counts both sides.
    """
    observed = abs(float(totals(first.sum(axis=0)) - totals(second.sum(axis=0))))
    differences = resampled_differences(first, second, totals, seed=seed)
    reached = np.abs(differences - differences.mean()) >= observed
    return float((reached.sum() + 1) / (len(differences) + 1))


def resampled_differences(first: Array, second: Array, totals: Totals, *, seed: int) -> Array:
    """Return the difference of both scores over resamples of the rows, the same rows for both."""
    drawn = np.random.default_rng(seed)
    pair = np.hstack([first, second]).astype(np.float64)
    sums = np.empty((RESAMPLES, pair.shape[1]))
    for sample in sums:
        counts = np.bincount(drawn.integers(0, len(pair), len(pair)), minlength=len(pair))
        np.matmul(counts, pair, out=sample)
    width = first.shape[1]
    differences: Array = totals(sums[:, :width]) - totals(sums[:, width:])
    return differences


def holm(ordered: Sequence[float]) -> list[float]:
    """Return p-values, given in rising order, adjusted for how many there are.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure: the chance of
    one false difference or more stays at the level, whatever the dependence.
    """
    adjusted, running = [], 0.0
    for place, p_value in enumerate(ordered):
        running = max(running, min(1.0, (len(ordered) - place) * p_value))
        adjusted.append(running)
    return adjusted
