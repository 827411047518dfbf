"""How often 95 % intervals hold the truth: of scores, and of paired differences; simulated.

    PYTHONPATH=. python bench/statistics/coverage.py [--quick] [--json FILE]    # seven minutes
    PYTHONPATH=. python bench/statistics/coverage.py --ours --seed 1000    # two, on fresh draws
    ... --family "exact match" --groups 8 --trials 20000    # one metric, one number of groups

Six families of metrics over 8, 20 and 100 groups, of 5 to 15 rows or of very unequal sizes. Beside
ours: the percentiles of a cluster bootstrap, and for differences the interval of `bundle_check.py`.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from bench.statistics.bundle_check import bootstrap_ends
from service.evaluation.metrics.registry import METRICS
from service.evaluation.statistics.comparison import SharedRows, VariantScores, compare
from service.evaluation.statistics.intervals import (
    Array,
    grouped_interval,
    sum_by_group,
    wilson_interval,
)

BLEU = METRICS.find("sacrebleu").measure()
CLUSTERS = (8, 20, 100)
TRUTH_GROUPS = 40_000
GAIN, SPREAD = 0.05, 0.08  # of the ease of a group, by the better variant: mean and deviation
RESAMPLES = 400

Sizes = Callable[[np.random.Generator, int], Array]


def alike(rng: np.random.Generator, groups: int) -> Array:
    """5 to 15 rows a group."""
    return rng.integers(5, 16, groups)


def unequal(rng: np.random.Generator, groups: int) -> Array:
    """Lognormal sizes: half of the groups have under 8 rows, one in twenty over 32."""
    return np.maximum(1, np.round(rng.lognormal(2, 0.9, groups))).astype(np.int64)


SIZES: dict[str, Sizes] = {"5 to 15": alike, "unequal": unequal}


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


@dataclass(frozen=True)
class Sample:
    """Rows of two variants, the second one better, and the group of each row."""

    groups: Array
    first: Array
    second: Array


def draw(family: Family, groups: int, sizes: Sizes, rng: np.random.Generator) -> Sample:
    """Draw groups of rows: each group is easier for the second variant, by a gain of its own."""
    names = np.repeat(np.arange(groups), sizes(rng, groups))
    ease = rng.beta(*family.ease, groups)
    better = np.clip(ease + rng.normal(GAIN, SPREAD, groups), 0.01, 0.99)
    first, second = (family.draw(rng, each[names]) for each in (ease, better))
    return Sample(names, first, second)


def coverage(
    families: Sequence[Family], counts: Sequence[int], trials: int, *, seed: int, ours: bool
) -> Iterator[dict[str, Any]]:
    """Yield how many intervals of scores and differences hold the truth, in percent."""
    for family in families:
        for name, sizes in SIZES.items():
            whole = draw(family, TRUTH_GROUPS, sizes, np.random.default_rng(1))
            score, other = (
                float(family.totals(each.sum(axis=0))) for each in (whole.first, whole.second)
            )
            for groups in counts:
                rng = np.random.default_rng(seed + groups)
                samples = (draw(family, groups, sizes, rng) for _ in range(trials))
                held = np.array(
                    [
                        held_by(each, family, score, other - score, None if ours else seed + at)
                        for at, each in enumerate(samples)
                    ]
                )
                yield {
                    "family": family.name,
                    "sizes": name,
                    "groups": groups,
                    **dict(zip(COLUMNS, (100 * held.mean(axis=0)).tolist(), strict=False)),
                }


COLUMNS = (
    "score_ours",
    "difference_ours",
    "score_percentiles",
    "difference_percentiles",
    "difference_check",
)


def held_by(
    sample: Sample, family: Family, score: float, difference: float, seed: int | None
) -> tuple[bool, ...]:
    """Return which intervals hold the truth: as `COLUMNS`, ours alone without a seed."""
    found = sum_by_group(sample.first, groups=sample.groups)
    better = sum_by_group(sample.second, groups=sample.groups)
    ours = grouped_interval(found, family.totals, scale=100, confidence=0.95)
    pair = compare(
        _variant("second", sample.second),
        _variant("first", sample.first),
        test=SharedRows(sample.groups, family.totals, 100.0, binary=False),
    )
    held = (
        ours is not None and ours.low <= score <= ours.high,
        pair.low is not None and pair.low <= difference <= (pair.high or 0),
    )
    if seed is None:
        return held
    count = len(found)
    drawn = np.random.default_rng(seed).multinomial(
        count, np.full(count, 1 / count), size=RESAMPLES
    )
    scores = family.totals(drawn @ found.sums)
    differences = family.totals(drawn @ better.sums) - scores
    checked = bootstrap_ends(pair.difference, differences, found.rows)
    return (
        *held,
        _percentiles_hold(scores, score),
        _percentiles_hold(differences, difference),
        checked[0] <= difference <= checked[1],
    )


def _variant(name: str, statistics: Array) -> VariantScores:
    known = np.ones(len(statistics), dtype=bool)
    return VariantScores(name, statistics, known, statistics, statistics)


def _percentiles_hold(drawn: Array, truth: float) -> bool:
    """The alternative: percentiles of resamples of groups (Efron and Tibshirani, 13.3)."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return bool(low <= truth <= high)


def shares_of_rows(rows: int = 200) -> Iterator[dict[str, Any]]:
    """Yield how often Wilson's and Wald's intervals of rows alone hold a share: exact sums."""
    right = np.arange(rows + 1)
    ends = [wilson_interval(each, rows, confidence=0.95) for each in right]
    low, high = (np.array([getattr(each, end) for each in ends]) for end in ("low", "high"))
    wald = 1.959964 * np.sqrt(right / rows * (1 - right / rows) / rows)
    for truth in (0.5, 0.7, 0.9, 0.95, 0.98, 0.99):
        chance = binom.pmf(right, rows, truth)
        yield {
            "share": truth,
            "rows": rows,
            "ours": 100 * float(chance[(low <= truth) & (truth <= high)].sum()),
            "wald": 100 * float(chance[np.abs(right / rows - truth) <= wald].sum()),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="another one is fresh draws")
    parser.add_argument("--ours", action="store_true", help="without the alternatives: faster")
    parser.add_argument("--family", default="", help="metrics whose name holds this")
    parser.add_argument("--groups", type=int, nargs="+", default=CLUSTERS, help="how many")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    rows = []
    print(
        "percent of 95 % intervals that hold the truth\n"
        f"| metric | sizes | groups | {' | '.join(COLUMNS)} |"
    )
    trials = 200 if options.quick else options.trials
    families = [each for each in FAMILIES if options.family in each.name]
    found = coverage(families, options.groups, trials, seed=options.seed, ours=options.ours)
    for row in found:
        rows.append(row)
        cells = [f"{row[each]:.1f}" for each in COLUMNS if each in row]
        print(
            f"| {row['family']} | {row['sizes']} | {row['groups']} | {' | '.join(cells)} |",
            flush=True,
        )
    for row in shares_of_rows():
        rows.append(row)
        print(
            f"| share {row['share']} of {row['rows']} rows "
            f"| {row['ours']:.1f} | {row['wald']:.1f} |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
