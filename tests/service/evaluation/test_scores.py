"""Scores of whole evaluations: what counts, what is missing, how wide."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.evaluation.scoring.scores import Score, Scored, score
from service.inference.ports import Outcome
from tests.service.evaluation.published import published

FAILURES = [outcome for outcome in Outcome if outcome is not Outcome.OK]


IN_TWO_GROUPS = [(0, "yes", "a"), (1, "no", "a"), (2, "yes", "b"), (3, "yes", "b")]


def row(
    place: int,
    *,
    said: str = "yes",
    gold: str = "yes",
    outcome: Outcome = Outcome.OK,
    group: str = "",
) -> Scored:
    return Scored(f"ex_{place}", outcome, said, (gold,), group or f"group {place}")


def squad_rows() -> list[Scored]:
    """Return every question of the shared half, grouped by article."""
    predictions = published("squad/predictions_cag9_bert_shared.json.gz")
    return [
        Scored(
            question["id"],
            Outcome.OK,
            predictions[question["id"]],
            tuple(gold["text"] for gold in question["answers"]),
            article["title"],
        )
        for article in published("squad/squad_v1.1_dev_shared.json.gz")["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def wmt_rows(count: int) -> list[Scored]:
    lines = published("metrics/wmt17_en_de_shared.jsonl.gz")[:count]
    system = "newstest2017.LIUM-NMT.4900.en-de"
    return [row(line["i"], said=line[system], gold=line["ref"]) for line in lines]


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_failure_is_not_a_wrong_answer(outcome: Outcome) -> None:
    rows = [*(row(place) for place in range(9)), row(9, said="no", outcome=outcome)]
    found = score(rows, "accuracy")
    assert (found.value, found.n, found.rows, found.coverage) == (100, 9, 10, 0.9)


def test_missing_rows_give_the_score_bounds() -> None:
    rows = [row(0), row(1, said="no"), row(2), *(row(3, outcome=Outcome.REFUSED),)]
    found = score(rows, "accuracy")
    assert found.value == pytest.approx(200 / 3)
    assert (found.worst, found.best) == (50, 75)


def test_bounds_are_given_when_nearly_all_rows_were_answered() -> None:
    rows = [*(row(place) for place in range(99)), row(99, outcome=Outcome.FAILED)]
    found = score(rows, "accuracy")
    assert found.coverage == 0.99
    assert (found.worst, found.best) == (99, 100)


def test_the_bounds_of_bleu_are_wrong_words_and_the_reference() -> None:
    golds = ["the cat sat on the mat", "a dog ran over the hill", "birds sing in the tall trees"]
    rows = [row(place, said=gold, gold=gold) for place, gold in enumerate(golds)]
    lost = [*rows[:2], row(2, gold=golds[2], outcome=Outcome.FAILED)]
    found = score(lost, "sacrebleu")
    others = ("", "quite other words than those here")
    wrong = [score([*rows[:2], row(2, said=each, gold=golds[2])], "sacrebleu") for each in others]
    assert found.best == pytest.approx(100)
    assert 0 < (found.worst or 0) < min(each.value or 0 for each in wrong)
    assert found.value == pytest.approx(100)


@pytest.mark.parametrize("metric", ["accuracy", "sacrebleu"])
def test_nothing_answered_has_no_score_and_the_widest_bounds(metric: str) -> None:
    gold = "one two three four five"
    found = score([row(0, gold=gold, outcome=Outcome.FAILED)], metric)
    assert (found.value, found.low, found.high, found.n, found.coverage) == (None, None, None, 0, 0)
    assert found.worst == pytest.approx(0)
    assert found.best == pytest.approx(100)


def test_no_rows_have_no_score_and_no_bounds() -> None:
    found = score([], "accuracy")
    assert (found.value, found.coverage, found.rows) == (None, 0, 0)
    assert (found.worst, found.best) == (None, None)


def test_one_group_gives_no_interval_and_says_so() -> None:
    found = score([row(place, group="same") for place in range(5)], "accuracy")
    assert (found.low, found.high) == (None, None)
    assert found.method == "no interval: fewer than two groups"


def test_the_method_says_what_the_interval_rests_on() -> None:
    rows = [row(0), row(1, said="no"), row(2)]
    assert score(rows, "accuracy").method == "Wilson score interval of rows"
    grouped = [row(place, said=said, group=group) for place, said, group in IN_TWO_GROUPS]
    assert score(grouped, "accuracy").method.endswith("t with 1.0 degrees of freedom")


def test_no_interval_is_empty_however_few_rows_are_wrong() -> None:
    right = score([row(place) for place in range(40)], "accuracy")
    assert right.value == 100
    assert (right.low, right.high) == pytest.approx((91.24, 100), abs=0.01)
    wrong = score([row(place, said="no") for place in range(400)], "accuracy")
    assert (wrong.low, wrong.high) == pytest.approx((0, 0.95), abs=0.01)
    copied = score(
        [row(place, said="a b c d e", gold="a b c d e") for place in range(40)], "sacrebleu"
    )
    assert copied.low is not None
    assert copied.low < 95


def test_a_row_without_references_is_refused_by_its_number_and_never_quoted() -> None:
    bare = Scored("ex_2", Outcome.OK, "secret", (), "g")
    with pytest.raises(Invalid) as caught:
        score([row(1), bare], "accuracy")
    assert caught.value.faults[0].pointer == "row 2"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_outside_0_and_1_is_refused(confidence: float) -> None:
    with pytest.raises(Invalid, match="confidence"):
        score([row(0)], "accuracy", confidence=confidence)


@settings(deadline=None, max_examples=25)
@given(
    answers=st.lists(
        st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from("abcd")), min_size=2, max_size=30
    ),
    mix=st.randoms(use_true_random=False),
)
def test_the_same_rows_in_any_order_give_the_same_score(
    answers: list[tuple[str, str]], mix: random.Random
) -> None:
    rows = [row(place, said=said, group=group) for place, (said, group) in enumerate(answers)]
    mixed = list(rows)
    mix.shuffle(mixed)
    assert score(mixed, "accuracy") == score(rows, "accuracy")


def test_squad_intervals_by_article_are_over_twice_as_wide_as_by_question() -> None:
    """Published standard errors on all 10,570 questions: 0.46 by question, 1.29 by article."""
    rows = squad_rows()
    by_article = score(rows, "squad_exact_match")
    alone = [replace(each, group=each.example_id) for each in rows]
    by_question = score(alone, "squad_exact_match")
    assert by_article.value == pytest.approx(66.6885, abs=5e-5)
    assert by_article.value == by_question.value
    assert width(by_article) > 2 * width(by_question)
    assert width(by_question) == pytest.approx(2 * 1.96 * 0.46 * 2**0.5, rel=0.15)


def width(found: Score) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_the_interval_of_bleu_agrees_with_sacrebleus_own_bootstrap() -> None:
    from sacrebleu.metrics.bleu import BLEU

    rows = wmt_rows(400)
    found = score(rows, "sacrebleu")
    theirs = BLEU().corpus_score(
        [each.prediction for each in rows],
        [[each.references[0] for each in rows]],
        n_bootstrap=1000,
    )
    assert found.value == pytest.approx(theirs.score)
    assert width(found) / 2 == pytest.approx(theirs._ci, rel=0.2)
