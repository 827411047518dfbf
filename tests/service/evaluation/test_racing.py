"""A race stops losers, and the best of equals almost never; simulated at length in `bench`."""

import numpy as np

from bench.statistics.racing import one_race
from service.evaluation.exports.row_scores import shared_rows
from service.evaluation.metrics.registry import METRICS
from service.evaluation.statistics.comparison import VariantScores
from service.evaluation.statistics.racing import race


def test_one_of_equal_variants_is_stopped_in_at_most_five_of_a_hundred_races() -> None:
    stopped = [one_race([0.8] * 6, rows=200, grouped=False, seed=seed)[0] for seed in range(60)]
    assert sum(stopped) <= 6  # of at most 5 %, within three standard errors


def test_clear_losers_are_stopped_and_rows_are_saved() -> None:
    accuracies = [0.9, 0.88, 0.5, 0.5, 0.5, 0.5]
    found = [one_race(accuracies, rows=400, grouped=False, seed=seed) for seed in range(10)]
    assert not any(best for best, _, _ in found)
    assert np.mean([saved for _, saved, _ in found]) > 0.3
    assert np.mean([count for _, _, count in found]) > 3.5


def test_wealth_of_a_variant_that_was_stopped_stands_where_it_was() -> None:
    test = shared_rows([f"{number:03}" for number in range(100)], spec=METRICS.find("accuracy"))
    better, worse = _scores("better", [1] * 100), _scores("worse", [0] * 20)
    found = {each.name: each for each in race([better, worse], test=test, looks=3)}
    again = race([better, _scores("worse", [0] * 20)], test=test, looks=3)
    assert found["worse"].is_stopped
    assert not found["better"].is_stopped
    assert found["worse"].e_value == again[1].e_value


def _scores(name: str, right: list[int]) -> VariantScores:
    statistics = np.column_stack([right, np.ones(len(right))]).astype(float)
    every = np.ones(len(right), dtype=bool)
    return VariantScores(name, statistics, every, statistics, statistics)
