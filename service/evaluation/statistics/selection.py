"""The score of a variant that was chosen for its score, without the luck of being chosen. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.evaluation.statistics.intervals import Array

RESAMPLES = 500
_AT_ONCE = 50  # resamples: one of 10,000 groups is 80 kB


def score_of_chosen(
    variants: Sequence[VariantScores], *, test: SharedRows, seed: int = 0
) -> float | None:
    """Return what the best of the variants is expected to score on rows that did not choose it.

    The highest of several scores is too high, as its luck helped it to be the highest: of 24 equal
    configurations on 200 rows by 5 points. Groups of rows are drawn with replacement, the best
    variant of the draw is scored on the groups that were not drawn, and these scores averaged.
    None with fewer than two groups. Source: Tsamardinos, Greasidou and Borboudakis (2018),
    Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation (BBC).
    """
    sums = np.stack([_sums_by_group(each, test.groups) for each in variants])
    if sums.shape[1] < 2:  # noqa: PLR2004 - one group to choose by, one to score on
        return None
    found = []
    for drawn in _draws(sums.shape[1], seed=seed):
        chosen = np.argmax(test.sign * test.totals(np.einsum("bg,vgs->bvs", drawn, sums)), axis=1)
        apart = np.einsum("bg,bgs->bs", drawn == 0, sums[chosen])
        found.append(test.totals(apart[(drawn == 0).any(axis=1)]))
    return float(np.mean(np.concatenate(found)))


def _sums_by_group(variant: VariantScores, groups: NDArray[np.integer[Any]]) -> Array:
    """Return one row of sums a group, of the rows that have a scored answer."""
    sums = np.zeros((int(groups.max()) + 1, variant.statistics.shape[1]))
    np.add.at(sums, groups[variant.answered], variant.statistics[variant.answered])
    return sums


def _draws(groups: int, *, seed: int) -> Iterator[Array]:
    """Yield how often each group is drawn, some resamples at a time."""
    generator = np.random.default_rng(seed)
    for _ in range(0, RESAMPLES, _AT_ONCE):
        counts = generator.multinomial(groups, np.full(groups, 1 / groups), size=_AT_ONCE)
        yield counts.astype(np.float64)
