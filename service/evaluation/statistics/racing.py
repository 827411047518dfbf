"""Racing: variants that are shown to lose are stopped before all rows are asked. Pure.

The comparison stays valid however often one looks. For variants i and j that earn s_i and s_j on a
row, a gambler bets on j: his wealth, the product of 1 + b * (s_j - s_i) over the rows, is an
e-process under "j is no better than i" for any stake b in [0, 1], as is its mean over stakes
(Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting) and over
opponents j (Vovk and Wang 2021, E-values: calibration, combination and applications). If i is the
best, this mean ever reaches 1 / level with a probability of at most level (Ville 1939).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.evaluation.statistics.intervals import Array

LEVEL = 0.05  # of stopping the best variant, over the whole race
_STAKES = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8])


@dataclass(frozen=True, slots=True)
class Runner:
    """A variant's evidence against being the best: above 1 / level it is stopped."""

    name: str
    e_value: float
    is_stopped: bool


def race(
    variants: Sequence[VariantScores], *, test: SharedRows, looks: int, level: float = LEVEL
) -> list[Runner]:
    """Return the evidence against each variant, from rows in random order.

    All variants are given, those stopped before with the rows they have: their wealth stands where
    it was. Rows that either of two has not answered take part in no bet. The score must be a mean
    over rows. Independent rows: any number of looks. Rows in groups: the bets are on the sums of
    whole groups, which grow from look to look, so each of at most `looks` looks spends an equal
    part of the level.
    """
    earned = [_earned(each, test) for each in variants]
    grouped = len(np.unique(test.groups)) < len(test.groups)
    bar = (looks if grouped else 1) / level
    found = []
    for place, each in enumerate(variants):
        against = [_wealth(rival, earned[place], test, grouped=grouped) for rival in earned]
        others = [wealth for rival, wealth in enumerate(against) if rival != place]
        e_value = float(np.mean(others, axis=0).max()) if others else 0.0
        found.append(Runner(each.name, e_value, e_value >= bar))
    return found


def _earned(variant: VariantScores, test: SharedRows) -> Array:
    """Return what each row earned, 0 to 1 where higher is better; NaN where it has no answer."""
    with np.errstate(invalid="ignore", divide="ignore"):
        each = test.totals(variant.statistics) / test.scale
    scores = each if test.higher_is_better else 1 - each
    full = np.full(len(test.groups), np.nan)
    full[: len(scores)] = np.where(variant.answered, scores, np.nan)
    return full


def _wealth(rival: Array, own: Array, test: SharedRows, *, grouped: bool) -> Array:
    """Return the mean wealth over stakes after each bet; of groups after the last one only."""
    ahead: Array = np.asarray(np.nan_to_num(rival - own), dtype=np.float64)
    if grouped:
        ahead = _by_group(ahead, test.groups)
    growth = np.cumsum(np.log1p(np.outer(_STAKES, ahead)), axis=1)
    wealth = np.asarray(np.exp(growth).mean(axis=0), dtype=np.float64)
    return wealth[-1:] if grouped else wealth


def _by_group(ahead: Array, groups: NDArray[np.integer[Any]]) -> Array:
    """Return the sum of each group's rows, divided by the rows of the largest group."""
    sums = np.bincount(groups, weights=ahead)
    largest: int = np.bincount(groups).max()
    scaled: Array = sums / largest
    return scaled
