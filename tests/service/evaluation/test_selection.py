"""The score of the chosen variant: the luck of being chosen taken off."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.evaluation.statistics.intervals import Array
from service.evaluation.statistics.selection import score_of_chosen

ROWS = 200


def share(sums: Array) -> Array:
    earned: Array = 100 * sums[..., 0] / sums[..., 1]
    return earned


TEST = SharedRows(np.arange(ROWS), share, 100.0, binary=True)


def variant(name: str, right: NDArray[Any]) -> VariantScores:
    statistics = np.column_stack([right, np.ones(len(right))]).astype(float)
    return VariantScores(name, statistics, np.ones(len(right), bool), statistics, statistics)


def test_of_equal_configurations_the_best_is_expected_to_score_what_all_do() -> None:
    """Twelve equal configurations of 75: the highest shows 4 points more, by luck alone."""
    drawn = np.random.default_rng(1)
    naive, corrected = [], []
    for _ in range(30):
        every = [variant(str(at), drawn.random(ROWS) < 0.75) for at in range(12)]
        naive.append(max(100 * each.statistics[:, 0].mean() for each in every))
        found = score_of_chosen(every, test=TEST)
        assert found is not None
        corrected.append(found)
    assert np.mean(naive) - 75 > 3
    assert np.mean(corrected) == pytest.approx(75, abs=1)


def test_a_variant_far_ahead_keeps_its_score() -> None:
    drawn = np.random.default_rng(2)
    ahead = variant("ahead", drawn.random(ROWS) < 0.95)
    behind = variant("behind", drawn.random(ROWS) < 0.5)
    score = 100 * ahead.statistics[:, 0].mean()
    assert score_of_chosen([behind, ahead], test=TEST) == pytest.approx(score, abs=0.3)


def test_the_same_rows_give_the_same_score_and_one_group_gives_none() -> None:
    drawn = np.random.default_rng(3)
    every = [variant(str(at), drawn.random(ROWS) < 0.75) for at in range(3)]
    assert score_of_chosen(every, test=TEST) == score_of_chosen(every, test=TEST)
    one_group = SharedRows(np.zeros(ROWS, int), share, 100.0, binary=True)
    assert score_of_chosen(every, test=one_group) is None


def test_rows_without_an_answer_do_not_count() -> None:
    right = np.arange(ROWS) < 100
    whole = variant("whole", right)
    partly = VariantScores("partly", whole.statistics, right.astype(bool), whole.worst, whole.best)
    assert score_of_chosen([partly], test=TEST) == pytest.approx(100)
