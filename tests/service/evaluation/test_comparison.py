"""Paired comparisons against exact answers, sacreBLEU's own p-values and simulation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest, Result

from service.evaluation.metrics.registry import METRICS
from service.evaluation.statistics.comparison import (
    Comparison,
    SharedRows,
    VariantScores,
    adjust_family,
    compare,
)
from service.evaluation.statistics.intervals import Array
from service.evaluation.statistics.power import detectable_difference, needed_rows
from service.evaluation.statistics.significance import (
    mcnemar_p,
    paired_bootstrap_p,
    resampled_differences,
)
from tests.service.evaluation.published import published


def mean(sums: Array) -> Array:
    share: Array = 100 * sums[..., 0] / sums[..., 1]
    return share


def scores(name: str, earned: Any, *, answered: Any = None) -> VariantScores:
    values = np.asarray(earned, dtype=np.float64)
    ones = np.ones(len(values))
    known = np.ones(len(values), dtype=bool) if answered is None else np.asarray(answered)
    return VariantScores(
        name,
        np.column_stack([values, ones]),
        known,
        worst=np.column_stack([0 * ones, ones]),
        best=np.column_stack([ones, ones]),
    )


def alone(rows: int, *, binary: bool = True) -> SharedRows:
    return SharedRows(np.arange(rows), mean, 100.0, binary)


def in_groups(groups: NDArray[np.integer[Any]], *, binary: bool = True) -> SharedRows:
    return SharedRows(groups, mean, 100.0, binary)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    from scipy import stats

    for first, second in ((0, 0), (1, 5), (8, 20), (30, 30), (400, 460)):
        expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
        assert mcnemar_p(first, second) == pytest.approx(expected, rel=1e-9)


def test_a_paired_difference_is_shown_where_two_intervals_overlap() -> None:
    drawn = np.random.default_rng(0)
    hard = drawn.random(200)  # how hard a row is, for both
    first, second = scores("tuned", hard > 0.25), scores("few-shot", hard > 0.35)
    found = compare(first, second, test=alone(200))
    assert found.method == "McNemar's exact test of rows"
    assert found.is_shown
    assert found.low is not None
    assert found.low > 0
    assert found.difference == pytest.approx(100 * (np.mean(hard > 0.25) - np.mean(hard > 0.35)))


def test_equal_variants_are_not_shown_to_differ() -> None:
    rows = np.random.default_rng(2).random(60) > 0.5
    found = compare(scores("a", rows), scores("b", rows), test=alone(60))
    assert found.p_value == 1.0
    assert found.difference == 0
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high  # sixty equal rows may hide a difference still


def test_a_metric_of_which_less_is_better_turns_the_difference_round() -> None:
    better, worse = scores("a", [0.1] * 30), scores("b", [0.4] * 30)
    test = replace(alone(30, binary=False), higher_is_better=False)
    assert compare(better, worse, test=test).difference == pytest.approx(30)


def test_rows_in_groups_are_no_independent_witnesses() -> None:
    drawn = np.random.default_rng(4)
    groups = np.repeat(np.arange(8), 25)
    lean = np.repeat(drawn.normal(0.05, 0.12, 8), 25)
    first = scores("a", np.clip(0.6 + lean + drawn.normal(0, 0.05, 200), 0, 1))
    second = scores("b", np.clip(0.6 + drawn.normal(0, 0.05, 200), 0, 1))
    by_row = compare(first, second, test=alone(200, binary=False))
    by_group = compare(first, second, test=in_groups(groups, binary=False))
    assert by_group.groups == 8
    assert "8 groups" in by_group.method
    assert by_row.low is not None
    assert by_row.high is not None
    assert by_group.low is not None
    assert by_group.high is not None
    assert by_group.high - by_group.low > 3 * (by_row.high - by_row.low)


def test_missing_answers_are_left_out_and_bound_the_difference() -> None:
    answered = np.arange(100) >= 10
    first = scores("a", np.ones(100), answered=answered)
    second = scores("b", np.arange(100) % 2)
    found = compare(first, second, test=alone(100))
    assert (found.rows, found.coverage) == (90, 0.9)
    assert found.worst == pytest.approx(40)
    assert found.best == pytest.approx(50)
    assert found.is_shown
    half = compare(replace(first, answered=np.arange(100) >= 60), second, test=alone(100))
    assert half.p_value is not None
    assert half.p_value < 0.001
    assert not half.is_shown  # had the sixty been wrong, it would be the worse one


def test_one_group_cannot_be_tested() -> None:
    found = compare(
        scores("a", [1, 1]), scores("b", [0, 1]), test=in_groups(np.zeros(2, dtype=int))
    )
    assert (found.p_value, found.low, found.is_shown) == (None, None, False)


def test_holm_adjusts_as_published() -> None:
    # Holm 1979, the worked example of section 3 with p-values .01, .04, .03, .005
    base = compare(scores("a", [1, 0, 1]), scores("b", [1, 1, 0]), test=alone(3))
    family = [replace(base, p_value=p) for p in (0.01, 0.04, 0.03, 0.005)]
    adjusted = [each.adjusted_p for each in adjust_family(family)]
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_equal_p_values_are_adjusted_alike() -> None:
    base = compare(scores("a", [1, 0, 1]), scores("b", [1, 1, 0]), test=alone(3))
    family = [replace(base, p_value=p) for p in (0.02, 0.02, 0.5)]
    assert [each.adjusted_p for each in adjust_family(family)] == pytest.approx([0.06, 0.06, 0.5])


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    groups = np.repeat(np.arange(75), 2)
    noise = np.random.default_rng(7).normal(0, 0.2, (300, 150))
    plain = scores("b", np.full(150, 0.5))
    test = in_groups(groups, binary=False)
    first = [compare(scores("a", 0.5 + each), plain, test=test) for each in noise]
    least = float(np.mean([detectable_difference(each) or 0 for each in first]))
    ahead = [compare(scores("a", 0.5 + least / 100 + each), plain, test=test) for each in noise]
    share = np.mean([each.low is not None and each.low > 0 for each in ahead])
    assert share == pytest.approx(0.8, abs=0.07)  # three standard errors
    rows = needed_rows(first[0], difference=(detectable_difference(first[0]) or 0) / 2)
    assert rows == pytest.approx(600, abs=1)


@pytest.mark.parametrize(("groups", "rows"), [(8, 8), (40, 5), (200, 1)])
def test_of_equal_variants_one_in_twenty_is_called_different(groups: int, rows: int) -> None:
    drawn = np.random.default_rng(groups)
    names = np.repeat(np.arange(groups), rows)
    shown = 0
    for trial in range(300):
        ease = drawn.beta(4, 2, groups)[names]
        first, second = (scores(name, drawn.random(len(names)) < ease) for name in "ab")
        found = compare(first, second, test=in_groups(names), seed=trial)
        shown += found.is_shown
    assert shown / 300 <= 0.085  # 5 % and three standard errors


def test_p_values_of_wmt17_are_sacrebleus_own_when_counted_as_it_counts() -> None:
    facts = published("metrics/wmt17_published_p_values_shared.json")
    rows = published("metrics/wmt17_en_de_shared.jsonl.gz")
    others = [name for name in facts["systems"] if name != facts["baseline"]]
    names = [facts["baseline"], *others[::5]]  # sacreBLEU takes a second for each
    theirs = PairedTest(
        [(name, [row[name] for row in rows]) for name in names],
        {"BLEU": BLEU(references=[[row["ref"] for row in rows]])},
        references=None,
        test_type="bs",
        n_samples=1000,
    )()[1]["BLEU"]
    measure = METRICS.find("sacrebleu").measure()
    statistics = [
        measure.statistics([row[name] for row in rows], [[row["ref"]] for row in rows])
        for name in names
    ]
    for mine, other in zip(statistics[1:], theirs[1:], strict=True):
        reach = abs(float(measure.totals(mine.sum(0)) - measure.totals(statistics[0].sum(0))))
        found = np.abs(resampled_differences(mine, statistics[0], measure.totals, seed=1))
        p_value = (np.sum(found - found.mean() > reach) + 1) / (len(found) + 1)
        assert isinstance(other, Result)
        assert p_value == pytest.approx(other.p_value, abs=0.03)
        assert paired_bootstrap_p(mine, statistics[0], measure.totals, seed=1) >= p_value - 0.01


def test_a_comparison_is_a_value() -> None:
    found = compare(scores("a", [1, 0, 1]), scores("b", [1, 1, 0]), test=alone(3))
    assert isinstance(found, Comparison)
    assert found == replace(found)
