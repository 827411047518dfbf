"""Intervals against what theory says they are."""

import numpy as np
import pytest

from service.evaluation.metrics.statistics import (
    Array,
    bootstrap_interval,
    resampled_sums,
    sum_by_group,
)


def mean(sums: Array) -> Array:
    fraction: Array = sums[..., 0] / sums[..., 1]
    return fraction


def counted(values: Array) -> Array:
    return np.column_stack([values, np.ones(len(values))])


def test_rows_of_a_group_are_summed_in_the_order_of_names() -> None:
    sums = sum_by_group(np.array([[1.0, 1], [2, 1], [4, 1]]), groups=["b", "a", "b"])
    assert sums.tolist() == [[2, 1], [5, 2]]


def test_each_resample_draws_as_many_groups_as_there_are() -> None:
    assert resampled_sums(np.ones((7, 1)), resamples=50, seed=3).tolist() == [[7.0]] * 50


def test_a_group_is_drawn_with_all_its_sums() -> None:
    values = np.random.default_rng(2).random(40)
    samples = resampled_sums(np.column_stack([values, 10 * values]), resamples=20, seed=1)
    assert samples[:, 1] == pytest.approx(10 * samples[:, 0])
    assert len(set(samples[:, 0])) == 20


def test_the_interval_of_a_share_is_as_wide_as_the_binomial_one() -> None:
    rows = counted(np.repeat([1.0, 0.0], [300, 100]))
    low, high = bootstrap_interval(rows, mean, resamples=4000, seed=0, confidence=0.95)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.006)


def test_more_confidence_gives_a_wider_interval() -> None:
    rows = counted(np.random.default_rng(0).random(100))
    wide = bootstrap_interval(rows, mean, resamples=500, seed=0, confidence=0.99)
    narrow = bootstrap_interval(rows, mean, resamples=500, seed=0, confidence=0.8)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    drawn = np.random.default_rng(5)
    held = 0
    for trial in range(200):
        rows = counted(drawn.normal(3, 1, size=60))
        low, high = bootstrap_interval(rows, mean, resamples=300, seed=trial, confidence=0.95)
        held += low <= 3 <= high
    assert 0.9 <= held / 200 <= 0.99
