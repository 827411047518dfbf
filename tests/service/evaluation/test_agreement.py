"""Agreement of judgements: against a textbook, by simulation, and of a judge with itself."""

import numpy as np
import pytest

from bench.statistics.kappa import Case, cases, covered
from service.evaluation.statistics.agreement import (
    Estimate,
    corrected_mean,
    kappa_estimate,
    rank_correlation,
    retest,
)


def test_kappa_is_that_of_the_textbook_with_its_interval() -> None:
    # Two raters, yes or no: 20 and 15 alike, 5 and 10 not. Kappa 0.40 and, by Fleiss, Cohen and
    # Everitt (1969), a standard error of 0.127, so about from 0.15 to 0.65.
    one = [1] * 20 + [1] * 5 + [0] * 10 + [0] * 15
    other = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    found = kappa_estimate(one, other, np.arange(50), levels=2)
    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(0.15, abs=0.04)
    assert found.high == pytest.approx(0.65, abs=0.04)
    assert kappa_estimate([1, 1], [1, 1], np.arange(2), levels=2) == Estimate(None)


FEW_DIFFER = [each for each in cases() if (each.rows, each.kappa, each.grouped) == (30, 0.9, False)]


@pytest.mark.parametrize("case", FEW_DIFFER, ids=[each.name for each in FEW_DIFFER])
def test_intervals_of_kappa_hold_the_truth_where_few_rows_differ(case: Case) -> None:
    held, _, _ = covered(case, trials=60, seed=3)
    assert held >= 85  # of 95, some four standard errors less; the jackknife's hold 33 to 96


def test_perfect_agreement_of_few_rows_may_be_luck() -> None:
    found = kappa_estimate([0, 1] * 20, [0, 1] * 20, np.arange(40), levels=2)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.814, abs=0.001)
    assert kappa_estimate([0, 1], [1, 0], np.arange(2), levels=2).low == -1.0


def test_intervals_of_agreement_cover_what_they_promise() -> None:
    random = np.random.default_rng(5)
    held = {"kappa": 0, "corrected": 0, "rank": 0}
    trials, rows, drawn = 200, 400, 80
    for _ in range(trials):
        people = random.integers(0, 5, rows)
        slips = random.random(rows) < 0.3
        judge = np.where(slips, random.integers(0, 5, rows), people)
        # 70 % are copied and the others drawn from the same even distribution: kappa is 0.7.
        kappa = kappa_estimate(judge[:drawn], people[:drawn], np.arange(drawn), levels=5)
        held["kappa"] += (kappa.low or 0) <= 0.7 <= (kappa.high or 0)
        score = judge + 0.5  # too kind by half a grade
        fixed = corrected_mean(
            score,
            np.arange(rows),
            errors=(score - people)[:drawn],
            error_groups=np.arange(drawn),
        )
        held["corrected"] += (fixed.low or 0) <= 2.0 <= (fixed.high or 0)
        rank = rank_correlation(random.random(drawn), random.random(drawn), np.arange(drawn))
        held["rank"] += (rank.low or 0) <= 0.0 <= (rank.high or 0)
    assert all(0.91 * trials <= count for count in held.values()), held


def test_replies_that_follow_the_order_of_the_scale_show_as_its_effect() -> None:
    found = retest([[4, 0], [4, 0], [4, 0]], (0.1, 0.2, 0.5, 0.7, 0.9))
    assert found.order_effect == pytest.approx(-0.8)
    assert found.kappa is not None
    assert found.kappa <= 0
