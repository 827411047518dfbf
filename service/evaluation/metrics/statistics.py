"""Interval arithmetic of scores: a cluster bootstrap over sums of sufficient statistics."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_BLOCK = 16_384  # groups drawn at once


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


def resampled_sums(sums: Array, *, resamples: int, seed: int) -> Array:
    """Return the sums of `resamples` bootstrap samples, a row for each.

    Each sample draws as many groups as there are, with replacement, and adds them up. (Counts of
    how often each was drawn would make this a matrix product, but BLAS keeps tens of MB for one.)
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 6; for
    resampling clusters instead of rows, Davison and Hinkley (1997), section 3.8.
    """
    drawn = Random(seed)  # noqa: S311  no secret; NumPy's generators are 7 MB of every worker
    columns = np.ascontiguousarray(sums.T)
    samples = np.zeros((resamples, len(columns)))
    for sample in samples:
        for groups in _draw(drawn, len(sums)):
            sample += [column[groups].sum(dtype=np.float64) for column in columns]
    return samples


def _draw(drawn: Random, count: int) -> Iterator[NDArray[np.int64]]:
    """Yield `count` numbers below `count`, in blocks: 32 random bits each, scaled to the range.

    One is likelier than another by at most `count` in 2**32.
    Source: Lemire, Fast Random Integer Generation in an Interval (2019), section 4.
    """
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        numbers = np.frombuffer(drawn.randbytes(4 * size), dtype=np.uint32).astype(np.int64)
        numbers *= count
        numbers >>= 32
        yield numbers


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
    scores = np.sort(totals(resampled_sums(sums, resamples=resamples, seed=seed)))
    tail = (1 - confidence) / 2
    # As `np.percentile` does, which imports masked arrays for it: 1.5 MB of every worker.
    low, high = np.interp([tail, 1 - tail], np.linspace(0, 1, len(scores)), scores)
    return float(low), float(high)
