"""Decisions from paired comparisons, and the sentence that says them."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.statistics.comparison import Comparison
from service.experiments.answer import answer
from service.experiments.decisions.decision import Decision, SizeBasis, Worth, decide
from service.experiments.learning_curve.curve import Point, learning_curve
from service.experiments.words import about, difference_words, doubt_words, gap_words
from tests.service.experiments.curves import FEW, ZERO, analysed, pairs_of, point, tuned


def decided(
    *points: Point, half: float = 1.0, tolerance: float = 0.0, groups: int = 150
) -> tuple[Decision, str]:
    curve = learning_curve("sacrebleu", points)
    found = analysed(curve, half=half, groups=groups, tolerance=tolerance)
    return found.decision, answer(found)


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
        "the fitted curve passes the best prompt near "
    )
    assert decision.basis is SizeBasis.NOT_SHOWN
    assert (
        "3,200 examples (94.6) are not shown to be better (+0.3 [-0.7, 1.3]), so 800 may lose up "
        "to 1.3; "
    ) in words
    assert "tell the two sizes apart" not in words, "a difference too small to be worth 8,000 rows"


def test_what_would_tell_the_recommended_size_from_the_best_is_said() -> None:
    decision, words = decided(FEW, *sizes({200: 93.4, 800: 94.3}))
    more = (decision.size_rows_needed or 0) - 200
    assert f"about {about(more)} more test rows would tell the two sizes apart" in words


def test_a_tolerance_buys_a_smaller_size() -> None:
    scores = {200: 91.0, 800: 94.3}
    strict, _ = decided(FEW, *sizes(scores))
    lenient, words = decided(FEW, *sizes(scores), tolerance=3.0)
    assert strict.recommended is not None
    assert lenient.recommended is not None
    assert (strict.recommended.train_size, lenient.recommended.train_size) == (800, 200)
    assert "800 examples (94.3) are better (+3.3 [2.3, 4.3]), not shown to be by more than" in words


def test_a_size_whose_loss_is_within_the_tolerance_is_as_good() -> None:
    decision, words = decided(FEW, *sizes({200: 94.0, 800: 94.3}), tolerance=1.5)
    assert decision.basis is SizeBasis.AS_GOOD
    assert (
        "it is as good as 800 examples (94.3) within the tolerance of 1.5 (+0.3 [-0.7, 1.3])"
        in (words)
    )
    assert "tell the two sizes apart" not in words


def test_where_no_size_is_shown_to_beat_the_prompt_none_is_recommended() -> None:
    decision, words = decided(FEW, *sizes({50: 87.9, 800: 88.3}))
    assert decision.recommended is None
    assert decision.candidate is not None
    assert decision.candidate.train_size == 800
    assert words.startswith("Tuning is not shown to differ from prompting: 800 examples score 88.3")


def test_a_difference_that_its_family_hides_is_said_to_be() -> None:
    curve = learning_curve("sacrebleu", [FEW, *sizes({50: 90.0})])
    [found] = pairs_of(curve.baselines + curve.points, half=1.0)
    hidden = replace(found, p_value=0.02, adjusted_p=0.2)
    assert doubt_words(hidden, tests=10) == (
        ", not shown as one of 10 comparisons (p 0.20 after Holm)"
    )
    assert doubt_words(found, tests=10) == ""
    assert doubt_words(replace(hidden, adjusted_p=0.01, worst=-1.0, best=3.0), tests=10) == (
        ", which the rows without an answer could turn"
    )


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
    # of three comparisons, each at a third of the level
    assert decision.rows_needed == pytest.approx(200 * (3.24 / 1.96 / 0.5) ** 2, rel=0.03)
    more = (decision.rows_needed or 0) - 200
    assert f"about {about(more)} more test rows would show" in words


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


def test_sizes_too_few_for_a_curve_are_said_to_be() -> None:
    assert "1 size cannot show whether" in decided(ZERO, FEW, *sizes({800: 94.3}))[1]
    assert "2 sizes cannot show whether" in decided(FEW, *sizes({50: 60.0, 200: 70.0}))[1]


def test_a_plateau_is_worded_with_its_probability() -> None:
    flat = tuned({50: 90.0, 200: 90.1, 800: 90.1, 3200: 90.1}, half=0.3)
    words = decided(ZERO, *flat)[1]
    assert "probability one more doubling gains less than 0.5" in words
    assert "so this is no plateau" in decided(*flat)[1]


def test_a_rising_curve_gives_an_estimate_with_its_interval() -> None:
    steep = tuned({50: 50.0, 200: 62.0, 800: 74.0, 3200: 86.0}, half=0.5)
    _, words = decided(ZERO, *steep)
    assert "the curve is still rising (estimated gain of one more doubling" in words
    assert " will " not in words


def test_missing_answers_that_could_turn_a_difference_keep_it_from_being_shown() -> None:
    curve = learning_curve("sacrebleu", [FEW, point("tuned@50", 95.0, coverage=0.9)])
    [found] = pairs_of(curve.baselines + curve.points, half=1.0)
    bounded = replace(found, coverage=0.9, worst=-7.6, best=9.4)
    assert decide(curve, [bounded]).worth is Worth.NOT_SHOWN
    assert decide(curve, [found]).worth is Worth.BETTER


def test_a_table_cell_says_what_is_not_shown() -> None:
    curve = learning_curve("sacrebleu", [ZERO, FEW, *sizes({50: 88.1, 800: 94.3})])
    found = pairs_of((*curve.baselines, *curve.points), half=1.0)
    decision = decide(curve, found)
    cells = [difference_words(each, decision, found) for each in curve.points]
    assert cells == ["+0.5 [-0.5, 1.5], not shown", "+6.7 [5.7, 7.7]"]
    assert difference_words(FEW, decision, found) == "the best prompt"
    assert difference_words(point("tuned@200", None), decision, found) == ""


SCORES = st.one_of(st.none(), st.floats(0, 100))


@settings(deadline=None, max_examples=60)
@given(
    zero=SCORES,
    few=SCORES,
    scores=st.dictionaries(st.integers(1, 10_000), SCORES, max_size=5),
    half=st.floats(0.1, 10),
)
def test_every_experiment_has_an_answer_of_one_sentence(
    zero: float | None, few: float | None, scores: dict[int, float | None], half: float
) -> None:
    prompts = [point("zero-shot", zero, half=half), point("few-shot (3)", few, half=half)]
    _, words = decided(*prompts, *tuned(scores, half=half), half=half)
    assert words.endswith(".")
    assert ". " not in words
    assert "nan" not in words
    assert "None" not in words


def test_a_difference_beside_two_scores_is_theirs_where_only_rounding_differs() -> None:
    found = Comparison(
        first="a", second="b", difference=0.24, low=-0.5, high=1.0, p_value=0.5, adjusted_p=0.5,
        rows=50, groups=50, coverage=1.0, worst=None, best=None, method="bootstrap",
    )  # fmt: skip
    assert gap_words(found, scores=(67.46, 67.22)) == "0.3 [-0.5, 1.0] above"
    assert gap_words(found, scores=(67.9, 67.2)) == "0.2 [-0.5, 1.0] above"  # of other rows
    assert gap_words(found) == "0.2 [-0.5, 1.0] above"
