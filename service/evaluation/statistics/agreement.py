"""How well two judgements of the same things agree, chance aside. Pure."""

from collections.abc import Sequence

import numpy as np


def weighted_kappa(one: Sequence[int], other: Sequence[int], *, levels: int) -> float | None:
    """Return Cohen's kappa of ordered levels, from 0 to `levels` - 1, with quadratic weights.

    1 is perfect agreement, 0 what chance would give; None where it is not defined, as all
    judgements are of one level. With two levels it is Cohen's (1960) kappa. Source: Cohen (1968),
    Weighted kappa.
    """
    counts = np.zeros((levels, levels))
    np.add.at(counts, (np.asarray(one, int), np.asarray(other, int)), 1)
    places = np.arange(levels)
    weights = (places[:, None] - places[None, :]) ** 2.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(1.0, counts.sum())
    chance = float((weights * expected).sum())
    return 1 - float((weights * counts).sum()) / chance if chance else None
