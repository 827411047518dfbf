"""Interval arithmetic of scores: a cluster bootstrap over sums of sufficient statistics."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Half a million counts are 2 MB: a hundred thousand groups stay within a worker's memory.
_COUNTS_AT_ONCE = 500_000


def sum_by_group(statistics: Array, *, groups: Sequence[str] | NDArray[Any]) -> Array:
    """Return one row of summed statistics for each distinct group, in the order of their names.

    The order of the rows does not change the result, so neither does it change an interval.
    """
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(names), statistics.shape[1]), dtype=statistics.dtype)
    np.add.at(sums, places, statistics)
    return sums


def resampled_sums(sums: Array, *, resamples: int, seed: int) -> Iterator[Array]:
    """Yield the sums of `resamples` bootstrap samples, some rows at a time.

    Each sample draws as many groups as there are, with replacement; with the counts of how often
    each was drawn, a sample's sum is a matrix product. (Counting drawn numbers costs a sixth of
    drawing the counts from a multinomial distribution.)
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 6; for
    resampling clusters instead of rows, Davison and Hinkley (1997), section 3.8.
    """
    drawn = np.random.default_rng(seed)
    count = len(sums)
    at_once = max(1, _COUNTS_AT_ONCE // count)
    for start in range(0, resamples, at_once):
        counts = np.empty((min(at_once, resamples - start), count), dtype=sums.dtype)
        for row in counts:
            row[:] = np.bincount(drawn.integers(count, size=count), minlength=count)
        yield (counts @ sums).astype(np.float64)


def bootstrap_interval(
    sums: Array,
    totals: Callable[[Array], Array],
    *,
    resamples: int,
    seed: int,
    confidence: float,
) -> tuple[float, float]:
    """Return the percentile interval of `totals` over resampled groups.

    `sums` has one row for each group; `totals` turns rows of sums into scores. Percentile
    method: Efron and Tibshirani (1993), section 13.3.
    """
    samples = resampled_sums(sums, resamples=resamples, seed=seed)
    scores = np.concatenate([totals(sample) for sample in samples])
    tail = 50 * (1 - confidence)
    low, high = np.percentile(scores, [tail, 100 - tail])
    return float(low), float(high)
