"""Edits as tags: found in a pair, applied to the source, they give the target back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.learners.alignment import KEEP, apply_tags, best_path, edit_tags
from emulator.learners.tokens import tokenize


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("My name is Ada.", "My name is [NAME]."),
        ("Ada Lovelace wrote", "[FIRSTNAME] [LASTNAME] wrote"),
        ("Call Anna Maria Berg now", "Call [FIRSTNAME] [LASTNAME] now"),
        ("Mail ada@example.org, please", "Mail [EMAIL], please"),
        ("at 5 Main Street\nOslo today", "at [STREET]\n[CITY] today"),
        ("drop this word", "drop word"),
        ("Ada", "[FIRSTNAME] [LASTNAME]"),
        ("nothing to do", "nothing to do"),
    ],
)
def test_tags_found_in_a_pair_give_the_target_back(source: str, target: str) -> None:
    tokens = tokenize(source)

    assert apply_tags(tokens, edit_tags(tokens, tokenize(target))) == target


def test_replaced_lines_are_paired_before_words_are() -> None:
    tokens = tokenize("5 Main Street Oslo\nNorway")

    tags = edit_tags(tokens, tokenize("[STREET]\n[COUNTRY]"))

    assert tags == ["[STREET]"] * 4 + ["[COUNTRY]"]


@given(st.text())
def test_kept_tokens_give_the_text_back(text: str) -> None:
    tokens = tokenize(text)

    assert apply_tags(tokens, edit_tags(tokens, tokens)) == text.strip()


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_token_of_any_pair_gets_one_tag(source: str, target: str) -> None:
    tokens = tokenize(source)

    assert len(edit_tags(tokens, tokenize(target))) == len(tokens)


def test_the_best_path_weighs_what_follows_what() -> None:
    scores = np.log(np.array([[0.9, 0.1], [0.45, 0.55], [0.9, 0.1]], np.float32))
    alone, sticky = np.zeros((2, 2), np.float32), np.array([[1, -1], [-1, 1]], np.float32)

    assert best_path(scores, alone) == [0, 1, 0]
    assert best_path(scores, sticky) == [0, 0, 0]
    assert best_path(scores[:0], alone) == []
    assert KEEP not in ("", "[NAME]")
