"""Which rows are shown, and what differs in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.experiments.report.row_examples import compare_rows
from service.experiments.report.word_diff import diff_words
from tests.service.experiments.reports import row


def test_rows_that_tuning_broke_and_mended_are_counted_and_the_broken_ones_shown() -> None:
    pairs = [
        (row(place, "a", correct=place % 2 == 0), row(place, "b", correct=place % 3 == 0))
        for place in range(12)
    ]
    found = compare_rows(pairs, variant="t", prompt="p", metric="accuracy", is_json=False)
    assert (found.broken, found.mended) == (2, 4)
    assert [each.position for each in found.regressions] == [3, 9]
    assert [each.position for each in found.worst] == [1, 3, 5, 7, 9, 11]
    assert found.regressions[0].prompt_earned == 100.0


def test_rows_without_an_answer_are_no_wrong_answers() -> None:
    lost = {**row(0, "", correct=False), "correct": None, "scores": {"accuracy": None}}
    found = compare_rows(
        [(lost, row(0, "a", correct=True))],
        variant="t", prompt="p", metric="accuracy", is_json=False,
    )  # fmt: skip
    assert (found.broken, found.worst, found.regressions) == (0, [], [])


def test_of_a_rate_of_leaks_the_highest_is_the_worst() -> None:
    rows = [
        {**row(place, "a", correct=False), "scores": {"pii_leak_rate": leaked}}
        for place, leaked in enumerate([10.0, 90.0, 0.0])
    ]
    found = compare_rows(
        [(each, None) for each in rows],
        variant="t", prompt=None, metric="pii_leak_rate", is_json=False,
    )  # fmt: skip
    assert [each.position for each in found.worst] == [1, 0]


def test_fields_of_json_are_right_by_their_values() -> None:
    wanted = '{"guest": {"name": "Ada"}, "people": 2}'
    given = row(0, '{"people": 2, "guest": {"name": "Bob"}}', correct=False, expected=wanted)
    prompted = row(0, '{"guest": {"name": "Ada"}}', correct=False, expected=wanted)
    found = compare_rows(
        [(given, prompted)], variant="t", prompt="p", metric="json_equal", is_json=True
    )
    scores = {each.field: (each.rows, each.right, each.prompt_right) for each in found.fields}
    assert scores == {"guest.name": (1, 0, 1), "people": (1, 1, 0)}


@given(st.text(max_size=60), st.text(max_size=60))
def test_edits_lead_from_one_text_to_the_other(expected: str, given_text: str) -> None:
    edits = diff_words(expected, given_text)
    assert "".join(each.text for each in edits if each.kind != "extra") == expected
    assert "".join(each.text for each in edits if each.kind != "missing") == given_text


def test_a_mask_hides_no_difference() -> None:
    edits = diff_words("call Ann now", "call Bob now", shown=lambda text: "x" * len(text.strip()))
    assert [each.kind for each in edits] == ["same", "missing", "extra", "same"]


@pytest.mark.parametrize("longer", ["expected", "given"])
def test_what_is_cut_is_said(longer: str) -> None:
    long, short = "word " * 100, "word"
    first, second = (long, short) if longer == "expected" else (short, long)
    assert diff_words(first, second)[-1].text == " …"
