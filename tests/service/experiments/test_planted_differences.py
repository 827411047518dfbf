"""Differences as large, paired and grouped as on four public sets: the answer says them.

Two variants that share their test rows were once compared by whether two intervals overlap, which
hid presidio@50 8.4 [4.1, 15.7], SQuAD@800 5.2 [2.2, 8.4] and SST-2@200 6.3 [2.3, 10.5] above the
best prompt, and tweets 4.0 [1.8, 6.4] below it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.evaluation.metrics.registry import METRICS
from service.evaluation.schemas import VariantKind
from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.evaluation.statistics.intervals import Array, grouped_interval, sum_by_group
from service.experiments.analysis import Analysis, analyse
from service.experiments.answer import answer
from service.experiments.learning_curve.curve import Point
from service.experiments.schemas import ExperimentSpec

RNG_SEED = 7
SPEC = ExperimentSpec.model_validate({"dataset": "ds_01jd5v0000000000000000000a"})


@dataclass(frozen=True)
class Planted:
    """Rows of a prompt and of a tuned model; `gap` is the difference that is planted."""

    metric: str
    size: int
    prompt: str
    gap: float
    groups: NDArray[np.integer[Any]]
    rows: tuple[Array, Array]
    totals: Callable[[Array], Array]

    def points(self) -> list[Point]:
        kind = VariantKind.FEW_SHOT if "few" in self.prompt else VariantKind.ZERO_SHOT
        return [
            self._point(self.prompt, kind, None, self.rows[0]),
            self._point(f"tuned@{self.size}", VariantKind.TUNED, self.size, self.rows[1]),
        ]

    def _point(self, name: str, kind: VariantKind, size: int | None, rows: Array) -> Point:
        sums = sum_by_group(rows, groups=self.groups)
        found = grouped_interval(sums, self.totals, scale=100, confidence=0.95)
        assert found is not None
        value = float(self.totals(rows.sum(axis=0)))
        return Point(name, kind, size, value, found.low, found.high, 1.0, len(rows))

    def analysed(self) -> Analysis:
        known = np.ones(len(self.groups), dtype=bool)
        scores = [
            VariantScores(point.name, rows, known, rows, rows)
            for point, rows in zip(self.points(), self.rows, strict=True)
        ]
        is_binary = self.metric == "accuracy"
        test = SharedRows(self.groups, self.totals, 100.0, binary=is_binary)
        return analyse(self.metric, self.points(), scores, test=test, costs={}, spec=SPEC)


def share(sums: Array) -> Array:
    earned: Array = 100 * sums[..., 0] / sums[..., 1]
    return earned


def presidio() -> Planted:
    """BLEU over 120 rows in 20 templates of unlike sizes; each template gains by its own luck."""
    rng, totals = np.random.default_rng(RNG_SEED), METRICS.find("sacrebleu").measure().totals
    sizes = [3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 9, 10, 10]
    groups = np.repeat(np.arange(20), sizes)
    ease, gain = rng.beta(30, 4, 20)[groups], rng.normal(0.053, 0.05, 20)[groups]
    length = rng.integers(8, 26, len(groups))
    answered = np.maximum(length[:, None] - np.arange(4), 0)

    def answers(right: Array) -> Array:
        matches = rng.binomial(answered, np.clip(right, 0, 1)[:, None] ** np.arange(1, 5))
        return np.column_stack([length, length, matches, answered]).astype(float)

    return Planted(
        "sacrebleu", 50, "few-shot (3)", 8.4, groups, (answers(ease), answers(ease + gain)), totals
    )


def squad() -> Planted:
    """F1 over 200 questions of 10 articles; 5.2 points more, unlike from article to article."""
    rng, groups = np.random.default_rng(RNG_SEED), np.repeat(np.arange(10), 20)
    base = rng.beta(1, 2, 200)
    gains = rng.normal(0, 0.05, 10)
    better = base + (gains - gains.mean() + 0.052)[groups] + rng.normal(0, 0.03, 200)
    ones = np.ones(200)
    rows = tuple(np.column_stack([earned, ones]) for earned in (base, better))
    return Planted("squad_f1", 800, "zero-shot", 5.2, groups, (rows[0], rows[1]), share)


def flips(rows: int, *, size: int, mended: int, broken: int) -> Planted:
    """Accuracy over rows each of a group: the tuned model mends some rows and breaks others."""
    prompt = np.repeat([1.0, 0.0], [rows - rows // 3, rows // 3])
    tuned = prompt.copy()
    tuned[:broken], tuned[rows - mended :] = 0, 1
    ones, gap = np.ones(rows), 100 * (mended - broken) / rows
    found = np.column_stack([prompt, ones]), np.column_stack([tuned, ones])
    return Planted("accuracy", size, "zero-shot", gap, np.arange(rows), found, share)


PLANTED = {
    "presidio": presidio(),
    "SQuAD": squad(),
    "SST-2": flips(400, size=200, mended=48, broken=23),
    "tweets": flips(500, size=800, mended=8, broken=28),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_said_with_the_interval_of_a_paired_bootstrap(name: str) -> None:
    planted = PLANTED[name]
    analysis = planted.analysed()
    (found,) = analysis.comparisons
    difference, low, high = bootstrap(planted)
    assert found.low is not None
    assert found.high is not None
    sign = 1 if found.first.startswith("tuned") else -1
    assert sign * found.difference == pytest.approx(difference)
    assert difference == pytest.approx(planted.gap, abs=1.5)
    # wider than the bootstrap where groups are skewed, as they are in presidio
    assert 0.95 < (found.high - found.low) / (high - low) < 1.15
    alone = [each.high - each.low for each in planted.points() if each.high and each.low]
    assert found.high - found.low < min(alone)  # what pairing gains
    words = answer(analysis)
    side, begin = (
        ("above", f"Tune on {planted.size} examples") if planted.gap > 0
        else ("below", "Do not tune on this data")
    )  # fmt: skip
    assert words.startswith(begin)
    ends = sorted((abs(sign * found.low), abs(sign * found.high)))
    assert f" [{ends[0]:.1f}, {ends[1]:.1f}] {side}" in words
    assert "not shown" not in words


def bootstrap(planted: Planted) -> tuple[float, float, float]:
    """A paired cluster bootstrap without the service: groups are drawn with replacement."""
    from scipy.stats import t

    rng = np.random.default_rng(1)
    members = [np.flatnonzero(planted.groups == group) for group in np.unique(planted.groups)]
    sums = [np.stack([rows[at].sum(axis=0) for at in members]) for rows in planted.rows]
    drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=2000)
    totals = planted.totals
    gaps = totals(drawn @ sums[1]) - totals(drawn @ sums[0])
    difference = float(totals(sums[1].sum(axis=0)) - totals(sums[0].sum(axis=0)))
    half = float(t.ppf(0.975, len(members) - 1) * gaps.std(ddof=1))
    return difference, difference - half, difference + half
