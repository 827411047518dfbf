"""The luck of a tuning, separate from that of the test rows."""

import numpy as np
import pytest

from service.evaluation.exports.row_scores import shared_rows
from service.evaluation.metrics.registry import METRICS
from service.evaluation.schemas import VariantKind
from service.evaluation.statistics.comparison import Comparison, VariantScores, compare
from service.experiments.learning_curve.curve import Point, Verdict, learning_curve
from service.experiments.learning_curve.tuning_luck import tuning_luck


def _pairs(luck: float, *, pairs: int, rows: int, seed: int) -> list[Comparison]:
    """Compare twice `pairs` models whose accuracies differ by luck, on rows they share."""
    drawn = np.random.default_rng(seed)
    test = shared_rows([f"{number:05}" for number in range(rows)], spec=METRICS.find("accuracy"))
    found = []
    for number in range(pairs):
        ease = drawn.random(rows)
        scores = [
            _scores(f"{number}{side}", ease < 0.8 + drawn.normal(0, luck / 100)) for side in "ab"
        ]
        found.append(compare(scores[1], scores[0], test=test))
    return found


def test_few_groups_take_no_more_from_the_luck_than_their_rows_earn() -> None:
    """Pairs over eight groups have intervals of Student's t, 4.7 standard errors wide."""
    drawn = np.random.default_rng(3)
    groups = [f"{number % 8}" for number in range(80)]
    test = shared_rows(groups, spec=METRICS.find("accuracy"))
    found = []
    for _ in range(400):
        ease, fate = drawn.random(8)[np.arange(80) % 8] * 0.4 + 0.4, drawn.random((2, 80))
        levels = ease + drawn.normal(0, 0.06, (2, 1))
        pair = [_scores(f"{at}", fate[at] < levels[at]) for at in (0, 1)]
        found.append(compare(pair[0], pair[1], test=test))
    reported = tuning_luck(found, scale=100)
    assert reported is not None
    assert reported.deviation == pytest.approx(6.0, rel=0.1)


def _scores(name: str, right: np.ndarray) -> VariantScores:
    statistics = np.column_stack([right, np.ones(len(right))]).astype(float)
    every = np.ones(len(right), dtype=bool)
    return VariantScores(name, statistics, every, statistics, statistics)


@pytest.mark.parametrize("luck", [1.0, 3.0])
def test_many_pairs_tell_the_luck_that_tunings_have(luck: float) -> None:
    found = tuning_luck(_pairs(luck, pairs=400, rows=400, seed=1), scale=100)
    assert found is not None
    assert found.deviation == pytest.approx(luck, rel=0.2)


def test_few_pairs_stay_near_the_assumed_luck_and_none_say_nothing() -> None:
    found = tuning_luck(_pairs(0.0, pairs=1, rows=400, seed=1), scale=100)
    assert found is not None
    assert 0.1 < found.deviation < 0.4
    assert tuning_luck([], scale=100) is None


def test_the_fit_takes_the_mean_of_replicates_and_its_band_their_luck() -> None:
    points = [
        Point(f"tuned@{size}", VariantKind.TUNED, size, value, value - 1, value + 1, 1.0, 200)
        for size, value in ((50, 60.0), (200, 70.0), (800, 76.0))
    ]
    again = [Point("tuned@800 #2", VariantKind.TUNED, 800, 70.0, 69.0, 71.0, 1.0, 200, replicate=1)]
    lucky = tuning_luck(_pairs(4.0, pairs=40, rows=400, seed=2), scale=100)
    alone = learning_curve("accuracy", points)
    both = learning_curve("accuracy", [*points, *again], luck=lucky)

    assert both.points == alone.points
    assert [each.name for each in both.replicates] == ["tuned@800 #2"]
    assert both.tuning_error_measured
    assert alone.fit is not None
    assert both.fit is not None
    assert both.fit.values[-1] < alone.fit.values[-1]
    assert both.fit.high[0] - both.fit.low[0] > alone.fit.high[0] - alone.fit.low[0]
    assert both.verdict in set(Verdict)


def test_the_luck_of_other_subsets_is_that_of_the_training_rows_at_hand() -> None:
    """Scores move by 4 points times the mean of their rows' influences, and by 1 point of chance.

    Subsets of n of N rows know each other only by the pool they share: about its mean they are
    independent with 1 - n / N of the rows' variance (Cochran 1977, Sampling Techniques, 2.6), so
    the mean of k replicates has a k-th of the reported variance, and a tuning on rows from
    elsewhere has more of it.
    """
    drawn, pool, sizes, replicates, error = np.random.default_rng(8), 400, (50, 200), 3, 0.5
    repeated, means = [], []
    for _ in range(400):
        influences = 40 * drawn.standard_normal(pool)
        orders = [drawn.permutation(pool) for _ in range(replicates)]
        for size in sizes:
            scores = [influences[each[:size]].mean() + drawn.normal(0, 1) for each in orders]
            means.append(np.mean(scores) - influences.mean())
            seen = [scores[0] - each + drawn.normal(0, error) for each in scores[1:]]
            repeated += [_difference(each, error=error) for each in seen]
    found = tuning_luck(repeated, scale=100)
    assert found is not None
    of_rows = np.mean([40**2 / size * (1 - size / pool) for size in sizes])
    assert found.deviation**2 == pytest.approx(of_rows + 1, rel=0.1)
    assert np.var(means) == pytest.approx(found.deviation**2 / replicates, rel=0.1)
    elsewhere = np.mean([40**2 / size for size in sizes])
    assert found.deviation**2 < elsewhere + 1


def _difference(value: float, *, error: float) -> Comparison:
    half = 1.96 * error
    return Comparison(
        first="a", second="b", difference=value, low=value - half, high=value + half, p_value=0.5,
        adjusted_p=0.5, rows=10**6, groups=10**6, coverage=1.0, worst=None, best=None,
        method="planted", freedom=1e6,
    )  # fmt: skip
