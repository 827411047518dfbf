"""Duplicates: one stays, whatever the order."""

import random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.cleaning.deduplication import first_of_each


def keys(texts: list[str], givens: list[int] | None = None) -> pl.DataFrame:
    """Return keys of texts that are equal but for case; the spelling counts as itself."""
    return pl.DataFrame(
        {
            "identity_1": [ord(text.casefold()) for text in texts],
            "identity_2": [0] * len(texts),
            "given": givens or [0] * len(texts),
            "spelling_high": [ord(text) for text in texts],
            "spelling_low": [0] * len(texts),
            "row": range(1, len(texts) + 1),
        }
    )


def test_one_of_equal_rows_stays_and_the_others_do_not() -> None:
    kept = first_of_each(keys(["a", "b", "A", "a"]))

    assert kept.tolist() == [False, True, True, False]


def test_of_rows_that_are_equal_in_spelling_too_the_first_stays() -> None:
    assert first_of_each(keys(["a", "a", "a"])).tolist() == [True, False, False]


def test_rows_that_were_given_to_different_splits_are_left_to_the_firewall() -> None:
    assert first_of_each(keys(["a", "a", "a"], [1, 3, 3])).tolist() == [True, True, False]


@given(texts=st.lists(st.sampled_from("aAbBcC"), min_size=1), chance=st.randoms())
def test_the_order_of_the_rows_does_not_decide_which_spelling_stays(
    texts: list[str], chance: random.Random
) -> None:
    shuffled = list(texts)
    chance.shuffle(shuffled)

    first, second = (
        sorted(text for text, kept in zip(order, first_of_each(keys(order)), strict=True) if kept)
        for order in (texts, shuffled)
    )
    assert first == second
