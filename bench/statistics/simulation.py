"""Simulate what the statistics promise: false winners, the luck of the best, power of pairing.

`.venv/bin/python bench/statistics/simulation.py [--quick] [--json FILE]`
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from service.evaluation.statistics.comparison import (
    SharedRows,
    VariantScores,
    adjust_family,
    compare,
)
from service.evaluation.statistics.intervals import Array, wilson_interval
from service.evaluation.statistics.selection import score_of_chosen

PROMISED = 0.05  # of errors
HARD, NOISE = 0.3, 0.05  # share of rows the base gets wrong; share whose answer flips by chance


def share(sums: Array) -> Array:
    earned: Array = 100 * sums[..., 0] / sums[..., 1]
    return earned


def variant(name: str, right: Array) -> VariantScores:
    ones = np.ones(len(right))
    statistics = np.column_stack([right, ones]).astype(float)
    known = np.ones(len(right), dtype=bool)
    return VariantScores(name, statistics, known, statistics, statistics)


def false_winners(trials: int, *, configurations: int = 24, rows: int = 200) -> dict[str, Any]:
    """The best of equal configurations against all others: how often is it called better?"""
    rng = np.random.default_rng(3)
    test = SharedRows(np.arange(rows), share, 100.0, binary=True)
    ours = unadjusted = 0
    for _ in range(trials):
        ease = rng.beta(6, 2, rows)
        every = [variant(str(at), rng.random(rows) < ease) for at in range(configurations)]
        best = max(every, key=lambda each: each.statistics[:, 0].sum())
        pairs = [compare(best, each, test=test) for each in every if each is not best]
        unadjusted += any((pair.p_value or 1) <= PROMISED for pair in pairs)
        # the winner was chosen among all pairs, so all pairs are the family
        family = configurations * (configurations - 1) // 2
        ours += any((pair.p_value or 1) * family <= PROMISED for pair in pairs)
    return {"ours_percent": 100 * ours / trials, "unadjusted_percent": 100 * unadjusted / trials}


def luck_of_the_best(trials: int, *, configurations: int = 24, rows: int = 200) -> dict[str, Any]:
    """How far is the score of the best of equal configurations from its true one, in points?"""
    rng = np.random.default_rng(6)
    test = SharedRows(np.arange(rows), share, 100.0, binary=True)
    shown, expected = [], []
    for trial in range(trials):
        ease = rng.beta(6, 2, rows)
        every = [variant(str(at), rng.random(rows) < ease) for at in range(configurations)]
        shown.append(max(100 * each.statistics[:, 0].mean() for each in every) - 75)
        expected.append((score_of_chosen(every, test=test, seed=trial) or 0) - 75)
    return {"shown_bias": float(np.mean(shown)), "expected_bias": float(np.mean(expected))}


def power(trials: int, *, rows: int = 200, gain: float = 0.08) -> dict[str, Any]:
    """A real gain of 8 points on the same rows: paired test against two intervals side by side."""
    rng = np.random.default_rng(4)
    test = SharedRows(np.arange(rows), share, 100.0, binary=True)
    paired = apart = 0
    for _ in range(trials):
        hardness = rng.random(rows)
        flips = rng.random(rows) < NOISE
        base = hardness > HARD
        better = (hardness > HARD - gain) ^ flips
        pair = adjust_family([compare(variant("a", better), variant("b", base), test=test)])[0]
        paired += pair.is_shown
        ends = [
            wilson_interval(float(each.sum()), rows, confidence=0.95) for each in (better, base)
        ]
        apart += ends[0].low > ends[1].high
    return {"paired_percent": 100 * paired / trials, "side_by_side_percent": 100 * apart / trials}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    trials = 200 if options.quick else 2000
    winners, shown = false_winners(max(100, trials // 2)), power(trials)
    luck = luck_of_the_best(max(50, trials // 10))
    print(f"false winner among 24 equal configurations, 200 rows: {winners}")
    print(f"score of the best of 24 equal configurations less the true one: {luck}")
    print(f"a true gain of 8 points, 200 rows: {shown}")
    if options.json:
        found = {"false_winners": winners, "power": shown, "luck": luck}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
