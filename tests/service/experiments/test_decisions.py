"""Decisions from paired comparisons, and the sentence they are told in."""

from collections.abc import Mapping
from itertools import combinations

import pytest

from service.evaluation.comparison import Comparison
from service.experiments.curve import Point, learning_curve
from service.experiments.decisions import Decision, Worth, answer, decide
from tests.service.experiments.curves import FEW, ZERO, point, tuned


def pair(
    first: Point, second: Point, *, half: float, groups: int = 150, rows: int = 200
) -> Comparison:
    """Return a comparison whose interval is `half` to both sides, shown where that leaves 0 out."""
    difference = (first.value or 0) - (second.value or 0)
    p_value = 0.01 if abs(difference) > half else 0.4
    return Comparison(
        first=first.name,
        second=second.name,
        difference=difference,
        low=difference - half,
        high=difference + half,
        p_value=p_value,
        adjusted_p=p_value,
        rows=rows,
        groups=groups,
        coverage=1.0,
        worst=None,
        best=None,
        method="test",
    )


def decided(
    *points: Point, half: float = 1.0, tolerance: float = 0.0, groups: int = 150
) -> tuple[Decision, str]:
    curve = learning_curve("sacrebleu", points)
    scored = [each for each in points if each.value is not None]
    found = [pair(a, b, half=half, groups=groups) for a, b in combinations(scored, 2)]
    decision = decide(curve, found, tolerance=tolerance)
    return decision, answer(decision, curve)


def sizes(scores: Mapping[int, float | None]) -> list[Point]:
    return tuned(dict(scores))


def test_the_recommended_size_is_the_smallest_not_shown_to_be_worse() -> None:
    decision, words = decided(ZERO, FEW, *sizes({50: 86.4, 200: 91.0, 800: 94.3, 3200: 94.6}))
    assert decision.worth is Worth.BETTER
    assert decision.recommended is not None
    assert decision.recommended.train_size == 800
    assert decision.best is not None
    assert decision.best.train_size == 3200
    assert decision.beats_prompt_from == 200
    assert words.startswith(
        "Tune on 800 examples: 94.3 SacreBLEU [93.1, 95.5], 6.7 [5.7, 7.7] above few-shot (87.6), "
        "the best prompt; the smallest size shown to beat it is 200; "
        "3,200 examples (94.6) are not shown to be better (+0.3 [-0.7, 1.3])"
    )


def test_a_tolerance_buys_a_smaller_size() -> None:
    scores = {200: 91.0, 800: 94.3}
    strict, _ = decided(FEW, *sizes(scores))
    lenient, words = decided(FEW, *sizes(scores), tolerance=3.0)
    assert strict.recommended is not None
    assert lenient.recommended is not None
    assert (strict.recommended.train_size, lenient.recommended.train_size) == (800, 200)
    assert "800 examples (94.3) are better within the tolerance (+3.3 [2.3, 4.3])" in words


def test_a_size_that_beats_the_prompt_goes_before_a_smaller_one_that_does_not() -> None:
    decision, _ = decided(FEW, *sizes({50: 88.0, 800: 88.9}), half=1.2)
    assert decision.recommended is not None
    assert decision.recommended.train_size == 800


def test_tuning_that_hurts_is_called_so() -> None:
    decision, words = decided(ZERO, FEW, *sizes({50: 60.0, 200: 70.0}))
    assert decision.worth is Worth.WORSE
    assert words.startswith(
        "Do not tune on this data: 200 examples score 70.0 SacreBLEU [68.8, 71.2], "
        "17.6 [16.6, 18.6] below few-shot (87.6), the best prompt"
    )


def test_a_difference_that_is_not_shown_says_how_many_rows_would_show_it() -> None:
    decision, words = decided(ZERO, FEW, *sizes({50: 88.1}))
    assert decision.worth is Worth.NOT_SHOWN
    assert words.startswith(
        "Tuning is not shown to differ from prompting: 50 examples score 88.1 SacreBLEU "
        "[86.9, 89.3], 0.5 [-0.5, 1.5] above few-shot (87.6), the best prompt"
    )
    assert decision.rows_needed == pytest.approx(200 * (2.8 / 1.96 / 0.5) ** 2, rel=0.03)
    assert f"about {decision.rows_needed:,} test rows would show" in words


def test_equal_scores_ask_for_no_number_of_rows() -> None:
    decision, words = decided(FEW, *sizes({50: 87.62}))
    assert decision.rows_needed is None
    assert "would show" not in words


def test_a_curve_that_falls_is_called_so() -> None:
    decision, words = decided(FEW, *sizes({50: 95.0, 200: 94.9, 800: 91.0}))
    assert decision.recommended is not None
    assert decision.recommended.train_size == 50
    assert "more data made it worse: tuned@800 is 4.0 [3.0, 5.0] below tuned@50" in words


def test_without_a_prompt_nothing_is_said_of_its_worth() -> None:
    decision, words = decided(*sizes({50: 90.0, 200: 95.0}))
    assert decision.worth is Worth.UNKNOWN
    assert "no prompt was scored, so whether tuning is worth it is not known" in words


def test_without_tuned_models_the_best_prompt_is_named() -> None:
    _, words = decided(ZERO, FEW, point("tuned@50", None))
    assert words.startswith(
        "No tuned model could be scored; the best prompt, few-shot, scores 87.6 SacreBLEU"
    )
    assert "no score for tuned@50" in words


def test_an_experiment_without_scores_has_no_answer() -> None:
    assert decided(point("zero-shot", None))[1].startswith("Nothing could be scored")


def test_few_groups_are_said_beside_the_answer() -> None:
    _, words = decided(FEW, *sizes({50: 95.0}), groups=6)
    assert "this rests on 6 groups of test rows, too few to rely on" in words


def test_low_coverage_is_said_with_its_bounds() -> None:
    thin = point("tuned@50", 95.0, coverage=0.9)
    assert "not every row was scored for tuned@50 (90.0%)" in decided(FEW, thin)[1]
