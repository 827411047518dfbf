"""Verdicts and the sentence of answer."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.experiments.curve import Point, Verdict, answer, differ, learning_curve
from tests.service.experiments.curves import FEW, ZERO, point, tuned

RISING: dict[int, float | None] = {50: 86.4, 200: 91.0, 800: 94.3}
FLAT: dict[int, float | None] = {50: 90.0, 200: 90.1, 800: 90.1, 3200: 90.1}
STEEP: dict[int, float | None] = {50: 50.0, 200: 62.0, 800: 74.0, 3200: 86.0}


def said(*points: Point, metric: str = "sacrebleu") -> str:
    return answer(learning_curve(metric, points))


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        (tuned({50: 86.4, 200: 91.0}), Verdict.TOO_FEW_SIZES),
        (tuned({50: 86.4, 200: None, 800: 94.3}), Verdict.TOO_FEW_SIZES),
        (tuned(RISING), Verdict.UNDECIDED),
        (tuned(RISING, half=None), Verdict.UNDECIDED),
        (tuned(FLAT, half=0.3), Verdict.PLATEAU),
        (tuned(STEEP, half=0.5), Verdict.STILL_RISING),
        ([], Verdict.TOO_FEW_SIZES),
    ],
)
def test_the_verdict_follows_from_the_gain_of_one_more_doubling(
    points: list[Point], verdict: Verdict
) -> None:
    assert learning_curve("sacrebleu", points).verdict is verdict


def test_a_curve_is_fitted_from_three_sizes_with_intervals() -> None:
    assert learning_curve("sacrebleu", tuned({50: 86.4, 200: 91.0})).fit is None
    assert learning_curve("sacrebleu", tuned({50: 86, 200: 91, 800: 94}, half=None)).fit is None
    assert learning_curve("sacrebleu", tuned({50: 86, 200: 91, 800: 94})).fit is not None


def test_points_are_sorted_by_size_and_prompts_set_apart() -> None:
    curve = learning_curve("sacrebleu", [*tuned({800: 94.3, 50: 86.4}), FEW, ZERO])
    assert [each.train_size for each in curve.points] == [50, 800]
    assert curve.baselines == (FEW, ZERO)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(Invalid, match="no such metric"):
        learning_curve("rouge", [])


def test_a_curve_can_be_stored_as_json() -> None:
    curve = learning_curve("sacrebleu", [ZERO, FEW, *tuned(RISING)])
    stored = json.loads(json.dumps(asdict(curve)))
    assert stored["verdict"] == "undecided"
    assert stored["points"][0]["kind"] == "tuned"


def test_the_answer_compares_tuning_with_both_prompts() -> None:
    assert said(ZERO, FEW, *tuned(RISING)) == (
        "Tuning on 800 examples scores 94.3 SacreBLEU [93.1, 95.5], 6.7 above few-shot (87.6) "
        "and 10.4 above zero-shot (83.9); the smallest size that beats the best prompt is 200; "
        "whether more data would still help is undecided."
    )


def test_the_answer_says_when_prompting_is_better() -> None:
    assert said(ZERO, FEW, *tuned({50: 60.0, 200: 70.0})) == (
        "Tuning on 200 examples scores 70.0 SacreBLEU [68.8, 71.2], 17.6 below few-shot (87.6) "
        "and 13.9 below zero-shot (83.9); the best prompt, few-shot, beats the best tuned size; "
        "2 sizes cannot show whether more data would still help."
    )


def test_the_answer_claims_no_difference_where_intervals_overlap() -> None:
    words = said(ZERO, FEW, *tuned({50: 88.9}))
    assert "1.3 above but not shown to differ from few-shot (87.6)" in words
    assert "no size is shown to beat the best prompt" in words


def test_the_answer_of_one_size_says_that_it_is_one() -> None:
    words = said(ZERO, FEW, *tuned({800: 94.3}))
    assert "800, the only size scored, beats the best prompt" in words
    assert "1 size cannot show whether more data would still help" in words


def test_equal_scores_are_level() -> None:
    assert "level with few-shot (87.6)" in said(FEW, *tuned({50: 87.62}))


def test_the_answer_without_prompts_leaves_the_worth_of_tuning_open() -> None:
    words = said(*tuned({50: 86.4, 200: 91.0}))
    assert "no prompt was scored, so whether tuning is worth it is not known" in words


def test_the_answer_names_the_variants_that_have_no_score() -> None:
    words = said(ZERO, point("few-shot (3)", None), *tuned({50: 86.4, 200: None, 800: 94.3}))
    assert "few-shot (87.6)" not in words
    assert words.endswith("no score for few-shot (3), tuned@200.")


def test_the_answer_without_tuned_models_names_the_best_prompt() -> None:
    assert said(ZERO, FEW) == (
        "No tuned model could be scored; the best prompt, few-shot, scores 87.6 SacreBLEU "
        "[86.4, 88.8]."
    )


def test_the_answer_of_nothing_is_that_there_is_none() -> None:
    assert said() == "Nothing could be scored, so there is no answer yet."


def test_the_answer_tells_the_bounds_of_scores_over_part_of_the_rows() -> None:
    partial = replace(point("tuned@50", 95.0, coverage=0.9), worst=80.0, best=97.0)
    words = said(FEW, partial)
    assert "not shown to differ from few-shot" in words
    assert words.endswith(
        "not every row was scored for tuned@50 (90.0%, so between 80.0 and 97.0)."
    )


def test_a_plateau_is_worded_as_not_shown() -> None:
    words = said(ZERO, *tuned(FLAT, half=0.3))
    assert "more data is not shown to improve it" in words


def test_a_rising_curve_gives_an_estimate_with_its_interval() -> None:
    words = said(ZERO, *tuned(STEEP, half=0.5))
    assert "the curve is still rising (estimated gain of one more doubling" in words
    assert " will " not in words


def test_scores_without_intervals_are_never_said_to_differ() -> None:
    assert not differ(point("tuned@50", 99.0, half=None), point("zero-shot", 1.0))


SCORES = st.one_of(st.none(), st.floats(0, 100))


@settings(deadline=None, max_examples=60)
@given(
    zero=SCORES,
    few=SCORES,
    scores=st.dictionaries(st.integers(1, 10_000), SCORES, max_size=5),
    half=st.one_of(st.none(), st.floats(0, 10)),
    metric=st.sampled_from(["sacrebleu", "accuracy"]),
)
def test_every_curve_has_an_answer_of_one_sentence(
    zero: float | None,
    few: float | None,
    scores: dict[int, float | None],
    half: float | None,
    metric: str,
) -> None:
    prompts = [point("zero-shot", zero, half=half), point("few-shot (3)", few, half=half)]
    words = said(*prompts, *tuned(scores, half=half), metric=metric)
    assert words.endswith(".")
    assert ". " not in words
    assert "nan" not in words
    assert "None" not in words
