"""Interval arithmetic of scores: a cluster bootstrap over sums of sufficient statistics."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# 8 million counts are 64 MB: a hundred thousand groups stay within a worker's memory.
_COUNTS_AT_ONCE = 8_000_000


def sum_by_group(statistics: Array, *, groups: Sequence[str]) -> Array:
    """Return one row of summed statistics for each distinct group, in the order of their names.

    The order of the rows does not change the result, so neither does it change an interval.
    """
    names, places = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(names), statistics.shape[1]))
    np.add.at(sums, places, statistics)
    return sums


def resampled_sums(sums: Array, *, resamples: int, seed: int) -> Iterator[Array]:
    """Yield the sums of `resamples` bootstrap samples, some rows at a time.

    Each sample draws as many groups as there are, with replacement; how often each group is
    drawn is one multinomial count, so a sample's sum is a matrix product.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 6; for
    resampling clusters instead of rows, Davison and Hinkley (1997), section 3.8.
    """
    drawn = np.random.default_rng(seed)
    count = len(sums)
    shares = np.full(count, 1 / count)
    at_once = max(1, _COUNTS_AT_ONCE // count)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        yield drawn.multinomial(count, shares, size=size).astype(np.float64) @ sums


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
