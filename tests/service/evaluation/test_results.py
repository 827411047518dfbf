"""Which of several answers counts."""

from datetime import UTC, datetime

import pytest

from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm, AnswerKind
from service.evaluation.answer_repository import Sample
from service.evaluation.scoring.answers import AnswerReader
from service.evaluation.scoring.votes import majority

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def samples(*texts: str) -> list[Sample]:
    """Return samples in order; one that starts with `!` has that word as its outcome instead."""
    return [
        Sample(
            example_id="ex",
            sample=number,
            outcome=text.removeprefix("!") if text.startswith("!") else "ok",
            text="" if text.startswith("!") else text,
            finish_reason="STOP",
            error="",
            prompt_tokens=1,
            output_tokens=1,
            uncounted=False,
            synthetic=True,
            cached=False,
            created_at=NOW,
        )
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "elected", "agreement"),
    [
        (("a",), 0, 1),
        (("a", "b", "b"), 1, 2),
        (("!failed", "b", "b"), 1, 2),
        (("a", "!failed", "b"), 1, 0),  # with its answer the vote might be another
        (("a", "!failed", "!refused"), 1, 0),
        (("!refused", "!failed"), 0, 0),
        (("!truncated", "a", "b", "b"), 2, 2),
    ],
)
def test_the_answer_given_most_often_counts(
    texts: tuple[str, ...], elected: int, agreement: int
) -> None:
    found = majority(samples(*texts), AnswerReader(ANY_TEXT))
    assert (found.sample.sample, found.agreement) == (elected, agreement)


def test_a_tie_is_drawn_by_seed_and_of_samples_that_say_the_same_the_earliest_counts() -> None:
    tied = samples("b", "a", "a ", " b")
    drawn = [majority(tied, AnswerReader(ANY_TEXT), seed=seed) for seed in range(40)]

    assert {each.sample.sample for each in drawn} == {0, 1}
    assert {each.agreement for each in drawn} == {2}
    assert drawn[7] == majority(tied, AnswerReader(ANY_TEXT), seed=7)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (AnswerKind.JSON, ('{"a": 1, "b": [2]}', "no", '```json\n{"b":[2],"a":1}\n```')),
        (AnswerKind.SPAN, ("the  Seahawks", "no", "The Seahawks")),
        (AnswerKind.TEXT, ("two  words", "no", "two words\n")),
    ],
)
def test_answers_that_mean_the_same_vote_for_the_same(
    kind: AnswerKind, texts: tuple[str, ...]
) -> None:
    found = majority(samples(*texts), AnswerReader(AnswerForm(kind)))
    assert (found.sample.sample, found.agreement) == (0, 2)


def test_votes_are_cast_with_what_answers_say() -> None:
    form = AnswerForm(AnswerKind.LABEL, labels=("yes", "no"))
    found = majority(samples("no", "Yes.", "```\nYES\n```"), AnswerReader(form))
    assert (found.answer.text, found.agreement, found.sample.text) == ("yes", 2, "Yes.")


def test_an_answer_without_its_mark_has_no_vote() -> None:
    reader = AnswerReader(ANY_TEXT, is_marked=True)
    found = majority(samples("a", "a", "so it is b\nAnswer: b"), reader)
    assert (found.answer.text, found.agreement) == ("b", 1)
    assert majority(samples("a"), reader).answer.outcome == "unparsable"
