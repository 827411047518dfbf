"""What confidence is worth, against scipy and scikit-learn, and by simulation."""

import numpy as np
import pytest

from service.evaluation.statistics.agreement import weighted_kappa
from service.evaluation.statistics.automation import automate, choose_threshold
from service.evaluation.statistics.binomial import (
    EffectiveCount,
    effective_count,
    exact_interval,
    tail_at_most,
)
from service.evaluation.statistics.calibration import auroc, calibrate
from service.evaluation.statistics.distributions import incomplete_beta
from service.evaluation.statistics.intervals import Array


@pytest.mark.parametrize(
    ("x", "a", "b"), [(0.3, 2, 5), (0.95, 1000, 20), (0.5, 0.5, 0.5), (0.9, 50.5, 3.2), (1, 2, 3)]
)
def test_the_incomplete_beta_is_scipys(x: float, a: float, b: float) -> None:
    from scipy import special

    assert incomplete_beta(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (20, 20), (95, 100), (1, 3)])
def test_the_exact_interval_is_scipys(successes: int, trials: int) -> None:
    from scipy import stats

    found = exact_interval(EffectiveCount(successes, trials, trials))
    expected = stats.binomtest(successes, trials).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_tail_is_the_binomials() -> None:
    from scipy import stats

    assert tail_at_most(3, 200, rate=0.05) == pytest.approx(stats.binom.cdf(3, 200, 0.05))
    assert tail_at_most(5, 5, rate=0.05) == 1.0


def test_rows_in_groups_are_worth_fewer_trials() -> None:
    success = np.repeat(np.arange(40) % 10 != 0, 5)
    alone, together = np.arange(200), np.repeat(np.arange(40), 5)

    assert effective_count(success, alone).trials == 200
    # All rows of a group are alike: 40 groups, and a little less as their spread is estimated.
    assert 36 < effective_count(success, together).trials <= 40
    assert effective_count(np.ones(200, dtype=bool), together).trials == 40


def test_auroc_and_kappa_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score, roc_auc_score

    chance = np.random.default_rng(0)
    confidence = chance.random(500).round(1)
    right = chance.random(500) < confidence
    assert auroc(confidence, right) == pytest.approx(roc_auc_score(right, confidence))
    assert auroc(confidence, np.ones(500, dtype=bool)) is None

    one = chance.integers(0, 5, 200)
    other = np.clip(one + chance.integers(-1, 2, 200), 0, 4)
    expected = cohen_kappa_score(one, other, weights="quadratic")
    assert weighted_kappa(one.tolist(), other.tolist(), levels=5) == pytest.approx(expected)
    assert weighted_kappa([1, 1], [1, 1], levels=5) is None


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    confidence = np.array([0.9] * 10 + [0.1] * 10)
    right = np.array([True] * 6 + [False] * 4 + [True] * 1 + [False] * 9)

    found = calibrate(confidence, right)

    assert found.ece == pytest.approx(0.15)  # half of the rows are 0.3 too sure
    assert [(each.rows, each.right) for each in found.bins] == [(10, 0.1), (10, 0.6)]
    assert all(each.low < each.confidence <= each.high for each in found.bins)


def drawn(chance: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """Return confidence, and the probability of being right that goes with it."""
    confidence = chance.beta(3, 1, rows)
    return confidence, np.minimum(1, 1.15 * confidence)


def test_a_threshold_keeps_its_promise_but_one_time_in_twenty() -> None:
    chance = np.random.default_rng(0)
    broken = found = 0
    for _ in range(150):
        confidence, share = drawn(chance, 400)
        right = chance.random(400) < share
        threshold = choose_threshold(confidence, right, np.arange(400), target=0.95)
        if threshold is None:
            continue
        found += 1
        others, true_share = drawn(chance, 20_000)
        broken += bool(true_share[others >= threshold].mean() < 0.95)
    assert found > 100
    assert broken <= 13  # 150 times 5 % is 7.5; more than 13 has a chance of 1.5 %


def test_what_goes_out_unseen_is_measured_on_rows_that_chose_no_threshold() -> None:
    chance = np.random.default_rng(1)
    confidence, share = drawn(chance, 2000)
    right = chance.random(2000) < share

    found = automate(confidence, right, np.arange(2000), target=0.95, seed=3)

    assert found.threshold is not None
    assert 0.4 < found.share_low < found.share < found.share_high < 0.8
    assert found.precision is not None
    assert found.precision_low is not None
    assert found.precision_low < found.precision < 1
    assert found == automate(confidence, right, np.arange(2000), target=0.95, seed=3)


def test_confidence_without_meaning_promises_nothing() -> None:
    chance = np.random.default_rng(2)
    right = chance.random(1000) < 0.8

    found = automate(chance.random(1000), right, np.arange(1000), target=0.95)

    assert (found.threshold, found.passed, found.precision) == (None, 0, None)
