"""Intervals against published values, other libraries and what theory says they are."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from service.evaluation.statistics.distributions import student_p, student_quantile
from service.evaluation.statistics.intervals import (
    Array,
    GroupSums,
    degrees_of_freedom,
    grouped_interval,
    jackknife_error,
    reduced_error,
    sum_by_group,
    symmetric_error,
    wilson_interval,
)


def mean(sums: Array) -> Array:
    share: Array = 100 * sums[..., 0] / sums[..., 1]
    return share


def counted(values: NDArray[np.float64]) -> Array:
    return np.column_stack([values, np.ones(len(values))])


def grouped(sums: ArrayLike) -> GroupSums:
    """The sums of groups whose second statistic counts their rows."""
    found = np.asarray(sums, dtype=np.float64)
    return GroupSums(found, np.maximum(1, found[:, 1]).astype(np.int64))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_those_published(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson_interval(successes, trials, confidence=0.95)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "trials"), [(0, 400), (40, 40), (3, 7), (199, 200)])
def test_wilson_intervals_are_those_of_scipy(successes: int, trials: int) -> None:
    from scipy import stats

    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    interval = wilson_interval(successes, trials, confidence=0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 3.6, 7, 8, 19.25, 99, 1000, 20_000])
def test_quantiles_of_student_are_those_of_scipy(freedom: float) -> None:
    from scipy import stats

    for share in (0.6, 0.9, 0.975, 0.995):
        expected = stats.t.ppf(share, freedom)
        assert student_quantile(share, freedom=freedom) == pytest.approx(expected, rel=1e-8)
    for value in (0.0, 0.3, 2.1, 6.0):
        expected = 2 * stats.t.sf(value, freedom)
        assert student_p(value, freedom=freedom) == pytest.approx(expected, abs=1e-9)


def test_the_jackknife_error_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(1).random(50)
    expected = 100 * values.std(ddof=1) / np.sqrt(50)
    assert jackknife_error(counted(values), mean) == pytest.approx(expected)


def test_one_group_says_nothing_about_another() -> None:
    assert grouped_interval(grouped([[3.0, 4]]), mean, scale=100, confidence=0.95) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1, width=32)), min_size=2, max_size=30))
def test_no_interval_is_empty_and_none_leaves_the_scale(rows: list[tuple[int, float]]) -> None:
    sums = np.array([[size * share, size] for size, share in rows])
    interval = grouped_interval(grouped(sums), mean, scale=100, confidence=0.95)
    assert interval is not None
    value = float(mean(sums.sum(axis=0)))
    assert 0 <= interval.low <= value + 1e-9
    assert value - 1e-9 <= interval.high <= 100
    assert interval.high > interval.low
    assert interval.groups == len(rows)


def test_few_large_groups_among_small_ones_count_as_few() -> None:
    assert degrees_of_freedom(np.full(20, 7)) == pytest.approx(19)
    for sizes in ([90, *[1] * 10], [40, 40, *[1] * 20], [5, 9, 30]):
        assert degrees_of_freedom(np.array(sizes)) == pytest.approx(satterthwaite(sizes))


def satterthwaite(sizes: Sequence[int]) -> float:
    """Bell and McCaffrey's degrees of freedom of a mean by their matrices, row by row."""
    rows = sum(sizes)
    away = np.eye(rows) - 1 / rows  # residuals of independent rows
    ends = np.cumsum(sizes)
    pulls = np.stack(
        [
            away[end - size : end].sum(axis=0) / np.sqrt(1 - size / rows) / rows
            for end, size in zip(ends, sizes, strict=True)
        ]
    )
    products = pulls @ pulls.T
    return float(np.trace(products) ** 2 / np.sum(products**2))


def test_the_error_of_unequal_groups_is_unbiased_where_the_jackknifes_is_too_large() -> None:
    """Independent rows in groups of 1 to 60: the true error of their mean is 1 / sqrt(rows)."""
    sizes, rng = np.array([60, 20, 10, 5, 3, 1, 1]), np.random.default_rng(5)
    ends = np.cumsum(sizes)
    found = []
    for _ in range(2000):
        parts = np.split(rng.standard_normal(100), ends[:-1])
        sums = np.array([[part.sum(), len(part)] for part in parts])
        groups = GroupSums(sums, sizes)
        found.append((reduced_error(groups, mean) ** 2, jackknife_error(sums, mean) ** 2))
    reduced, jackknife = np.mean(found, axis=0) / 100  # of a true 100: the mean counts to 100
    assert reduced == pytest.approx(1, abs=0.1)
    assert jackknife > 1.3
    same = GroupSums(np.array([[3.0, 4], [1, 4], [2, 4]]), np.array([4, 4, 4]))
    assert reduced_error(same, mean) == pytest.approx(jackknife_error(same.sums, mean))


@pytest.mark.parametrize("groups", [4, 8, 60])
def test_the_error_of_a_difference_grows_with_the_skewness_of_the_groups(groups: int) -> None:
    """Hall (1992), section 2.6, by another library's skewness and quantile; from 4 groups, none."""
    from scipy import stats

    values = stats.expon.ppf((np.arange(groups) + 0.5) / groups)
    freedom = groups - 1
    t = stats.t.ppf(0.975, freedom)
    skewness = stats.skew(values) ** 2 / groups * max(0, 1 - 4 / freedom)
    expected = stats.sem(values) * (1 + skewness * (t**4 + 2 * t**2 - 3) / 18)
    skewed = GroupSums(counted(values / 100), np.ones(groups, dtype=np.int64))
    assert symmetric_error(skewed, mean) == pytest.approx(expected)
    even = GroupSums(counted(np.arange(groups) / groups), np.ones(groups, dtype=np.int64))
    assert symmetric_error(even, mean) == pytest.approx(reduced_error(even, mean))


def test_symmetric_intervals_of_skewed_groups_hold_more_often_by_that() -> None:
    """20 groups with a long tail: 95 % intervals without the allowance hold about 91 %."""
    drawn = np.random.default_rng(6).exponential(size=(1500, 20))
    t, held = student_quantile(0.975, freedom=19), []
    for values in drawn:
        groups = GroupSums(counted(values / 100), np.ones(20, dtype=np.int64))
        errors = reduced_error(groups, mean), symmetric_error(groups, mean)
        held.append([abs(values.mean() - 1) <= t * error for error in errors])
    plain, widened = np.mean(held, axis=0)
    assert plain < 0.93
    assert widened - plain > 0.01


def test_all_right_in_few_groups_is_less_certain_than_in_many() -> None:
    few, many = (
        grouped_interval(grouped(np.full((groups, 2), 10.0)), mean, scale=100, confidence=0.95)
        for groups in (5, 100)
    )
    assert few is not None
    assert many is not None
    assert few.low == pytest.approx(100 * 0.025 ** (1 / 5))
    assert many.low == pytest.approx(100 * 0.025 ** (1 / 100))


def test_rows_that_share_their_fate_widen_the_interval() -> None:
    right = np.repeat([1.0, 0.0], [60, 40])
    alone = grouped_interval(grouped(counted(right)), mean, scale=100, confidence=0.95)
    tens = np.column_stack([right.reshape(10, 10).sum(axis=1), np.full(10, 10.0)])
    together = grouped_interval(grouped(tens), mean, scale=100, confidence=0.95)
    assert alone is not None
    assert together is not None
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_rows_of_a_group_are_summed_in_the_order_of_names() -> None:
    sums = sum_by_group(np.array([[1.0, 1], [2, 1], [4, 1]]), groups=["b", "a", "b"])
    assert sums.sums.tolist() == [[2, 1], [5, 2]]
    assert sums.rows.tolist() == [1, 2]


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    drawn = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        sizes = drawn.integers(1, 12, 12)
        right = drawn.binomial(sizes, drawn.beta(8, 2, 12))
        sums = grouped(np.column_stack([right, sizes]).astype(float))
        found = grouped_interval(sums, mean, scale=100, confidence=0.95)
        held += found is not None and found.low <= 80 <= found.high
    assert held / 400 == pytest.approx(0.95, abs=0.035)  # three standard errors
