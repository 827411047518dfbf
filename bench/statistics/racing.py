"""Whether a race stops the true best, and what it saves: simulated, SYNTHETIC by construction.

    PYTHONPATH=. python bench/statistics/racing.py [--runs N]

Variants earn 0 or 1 on rows that are equally hard for all of them (correlated answers). `ties`:
24 equal variants, any of which counts as the best, one of which is watched. `close`: the best is 2
points ahead of 23 others. `spread`: accuracies evenly from 60 to 90. `grouped`: as `close`, with
rows in groups of one to nine. After each of four looks (1/8, 1/4, 1/2, all rows) losers stop.
"""

import argparse
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from service.evaluation.exports.row_scores import shared_rows
from service.evaluation.metrics.registry import METRICS
from service.evaluation.statistics.comparison import VariantScores
from service.evaluation.statistics.racing import race

Array = NDArray[np.float64]

FRACTIONS = (8, 4, 2, 1)
VARIANTS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print(f"{'case':<10} {'rows':>5} {'best stopped':>13} {'rows saved':>11} {'stopped':>8}")
    for name, accuracies, grouped in cases():
        for rows in (200, 800):
            found = [
                one_race(accuracies, rows=rows, grouped=grouped, seed=seed) for seed in range(runs)
            ]
            lost = np.mean([best for best, _, _ in found])
            saved = np.mean([share for _, share, _ in found])
            stopped = np.mean([count for _, _, count in found])
            print(f"{name:<10} {rows:>5} {lost:>13.3f} {saved:>11.1%} {stopped:>8.1f}", flush=True)


def cases() -> list[tuple[str, Sequence[float], bool]]:
    close = [0.82, *[0.80] * (VARIANTS - 1)]
    return [
        ("ties", [0.8] * VARIANTS, False),
        ("close", close, False),
        ("spread", list(np.linspace(0.9, 0.6, VARIANTS)), False),
        ("grouped", close, True),
    ]


def one_race(
    accuracies: Sequence[float], *, rows: int, grouped: bool, seed: int
) -> tuple[bool, float, int]:
    """Return whether the first variant, a best one, was stopped, the share of rows saved, and how
    many variants were stopped.
    """
    drawn = np.random.default_rng(seed)
    groups = drawn.integers(0, rows // 3, rows) if grouped else np.arange(rows)
    luck = drawn.normal(size=int(groups.max()) + 1)[groups] if grouped else drawn.normal(size=rows)
    answers = _answers(accuracies, luck, drawn)
    test = shared_rows([f"{each:06}" for each in groups], spec=METRICS.find("accuracy"))
    asked = np.zeros(len(accuracies), dtype=int)
    going = set(range(len(accuracies)))
    for fraction in FRACTIONS:
        for place in going:
            asked[place] = rows // fraction
        if fraction == 1:
            break
        scores = [_scores(f"{at}", answers[at, : asked[at]]) for at in range(len(accuracies))]
        runners = race(scores, test=test, looks=len(FRACTIONS) - 1)
        going -= {int(each.name) for each in runners if each.is_stopped}
    saved = 1 - asked.sum() / (rows * len(accuracies))
    return 0 not in going, float(saved), len(accuracies) - len(going)


def _answers(
    accuracies: Sequence[float], luck: np.ndarray, drawn: np.random.Generator
) -> np.ndarray:
    """Return which rows each variant has right: rows share their luck, half of the variance."""
    own = drawn.normal(size=(len(accuracies), len(luck)))
    bars = np.array([NormalDist().inv_cdf(each) for each in accuracies])
    right: Array = np.asarray((luck + own) / np.sqrt(2) < bars[:, None], dtype=np.float64)
    return right


def _scores(name: str, right: Array) -> VariantScores:
    statistics = np.column_stack([right, np.ones(len(right))]).astype(float)
    every = np.ones(len(right), dtype=bool)
    return VariantScores(name, statistics, every, statistics, statistics)


if __name__ == "__main__":
    main()
