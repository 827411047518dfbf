"""Simulate what the statistics promise: coverage of intervals, false winners, power of pairing.

`.venv/bin/python bench/statistics/simulation.py [--quick] [--json FILE]`
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from service.evaluation.metrics.registry import METRICS
from service.evaluation.statistics.comparison import (
    SharedRows,
    VariantScores,
    adjust_family,
    compare,
)
from service.evaluation.statistics.intervals import Array, jackknife_interval, wilson_interval
from service.evaluation.statistics.selection import score_of_chosen

BLEU = METRICS.find("sacrebleu").measure()
CLUSTERS = (8, 20, 100)
TRUTH_GROUPS = 40_000
PROMISED = 0.05  # of errors
HARD, NOISE = 0.3, 0.05  # share of rows the base gets wrong; share whose answer flips by chance


def share(sums: Array) -> Array:
    earned: Array = 100 * sums[..., 0] / sums[..., 1]
    return earned


def micro_f1(sums: Array) -> Array:
    """F1 over all fields: true positives, predicted and wanted fields."""
    found: Array = 200 * sums[..., 0] / (sums[..., 1] + sums[..., 2])
    return found


@dataclass(frozen=True)
class Family:
    """A metric over simulated rows: `draw(rng, ease)` returns one row of statistics each."""

    name: str
    draw: Callable[[np.random.Generator, Array], Array]
    totals: Callable[[Array], Array]
    ease: tuple[float, float]  # beta distribution of how easy a group is


def _binary(rng: np.random.Generator, ease: Array) -> Array:
    return np.column_stack([rng.random(len(ease)) < ease, np.ones(len(ease))]).astype(float)


def _token_f1(rng: np.random.Generator, ease: Array) -> Array:
    """Right rows earn 1 or, two times in five, a part; of wrong rows one in three earns 0.4."""
    right = rng.random(len(ease)) < ease
    whole, nothing = rng.random((2, len(ease))) < np.array([[0.6], [0.67]])
    earned = np.where(right, np.where(whole, 1, rng.random(len(ease))), np.where(nothing, 0, 0.4))
    return np.column_stack([earned, np.ones(len(ease))])


def _fields(rng: np.random.Generator, ease: Array) -> Array:
    wanted = rng.integers(1, 6, len(ease))
    hits = rng.binomial(wanted, ease)
    return np.column_stack([hits, hits + rng.binomial(2, 1 - ease), wanted]).astype(float)


def _bleu(rng: np.random.Generator, ease: Array) -> Array:
    """Answers of 8 to 25 tokens whose n-grams match with probability ease ** n."""
    length = rng.integers(8, 26, len(ease))
    answered = np.maximum(length[:, None] - np.arange(4), 0)
    matches = rng.binomial(answered, ease[:, None] ** np.arange(1, 5))
    reference = length + rng.integers(-1, 2, len(ease))
    return np.column_stack([length, reference, matches, answered]).astype(float)


FAMILIES = (
    Family("accuracy 0.7", _binary, share, (7, 3)),
    Family("exact match 0.9", _binary, share, (18, 2)),
    Family("SQuAD F1", _token_f1, share, (6, 2)),
    Family("field micro F1", _fields, micro_f1, (8, 2)),
    Family("corpus BLEU 60", _bleu, BLEU.totals, (14, 2)),
    Family("corpus BLEU 90", _bleu, BLEU.totals, (60, 2)),
)


def percentile_interval(
    sums: Array, totals: Callable[[Array], Array], seed: int
) -> tuple[float, float]:
    """The alternative: percentiles of 1,000 resamples of groups (Efron and Tibshirani, 13.3)."""
    drawn = np.random.default_rng(seed)
    counts = drawn.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=1000)
    low, high = np.percentile(totals(counts @ sums), [2.5, 97.5])
    return float(low), float(high)


def draw_sums(family: Family, groups: int, rng: np.random.Generator) -> Array:
    """Return the summed statistics of groups of 10 rows on average, of any size from 5 to 15."""
    sizes = rng.integers(5, 16, groups)
    names = np.repeat(np.arange(groups), sizes)
    rows = family.draw(rng, rng.beta(*family.ease, groups)[names])
    sums = np.zeros((groups, rows.shape[1]))
    np.add.at(sums, names, rows)
    return sums


def coverage(trials: int) -> Iterator[dict[str, Any]]:
    """Yield the share of intervals that hold the true score, ours and the alternative's."""
    for family in FAMILIES:
        rng = np.random.default_rng(1)
        truth = float(family.totals(draw_sums(family, TRUTH_GROUPS, rng).sum(axis=0)))
        for groups in CLUSTERS:
            ours = theirs = 0
            for trial in range(trials):
                sums = draw_sums(family, groups, rng)
                found = jackknife_interval(sums, family.totals, scale=100, confidence=0.95)
                low, high = percentile_interval(sums, family.totals, trial)
                ours += found is not None and found.low <= truth <= found.high
                theirs += low <= truth <= high
            yield {
                "family": family.name,
                "groups": groups,
                "ours_percent": 100 * ours / trials,
                "percentile_bootstrap_percent": 100 * theirs / trials,
            }
    yield from _ungrouped(trials)


def _ungrouped(trials: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(2)
    for truth in (0.5, 0.9, 0.98):
        right = rng.binomial(200, truth, trials)
        found = [wilson_interval(int(each), 200, confidence=0.95) for each in right]
        held = sum(each.low <= truth <= each.high for each in found)
        wald = 1.96 * np.sqrt(right / 200 * (1 - right / 200) / 200)
        yield {
            "family": f"proportion {truth}, rows alone",
            "groups": 200,
            "ours_percent": 100 * held / trials,
            "percentile_bootstrap_percent": 100
            * float(np.mean(np.abs(right / 200 - truth) <= wald)),
        }


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
    rows = []
    print("coverage of 95 % intervals (promised: 93 to 97)")
    print(f"{'family':32}{'groups':>8}{'ours':>8}{'percentile bootstrap':>23}")
    for row in coverage(trials):
        rows.append(row)
        print(
            f"{row['family']:32}{row['groups']:8}{row['ours_percent']:8.1f}"
            f"{row['percentile_bootstrap_percent']:23.1f}",
            flush=True,
        )
    winners, shown = false_winners(max(100, trials // 2)), power(trials)
    luck = luck_of_the_best(max(50, trials // 10))
    print(f"false winner among 24 equal configurations, 200 rows: {winners}")
    print(f"score of the best of 24 equal configurations less the true one: {luck}")
    print(f"a true gain of 8 points, 200 rows: {shown}")
    if options.json:
        found = {"coverage": rows, "false_winners": winners, "power": shown, "luck": luck}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
