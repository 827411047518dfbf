"""Duplicates: one stays, whatever the order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from service.datasets.deduplication import deduplicate
from service.datasets.presets.preset import Draft


def draft(text: str, target: str = "t") -> Draft:
    return Draft(text, target, (target,), "", (text.casefold(), target))


def test_one_of_equal_drafts_stays_and_the_others_are_named() -> None:
    kept, dropped = deduplicate(
        [(1, draft("a")), (2, draft("b")), (3, draft("A")), (4, draft("a"))]
    )

    assert [(row, each.text) for row, each in kept] == [(2, "b"), (3, "A")]
    assert dropped == [1, 4]


def test_equal_texts_with_different_targets_are_no_duplicates() -> None:
    kept, dropped = deduplicate([(1, draft("a", "x")), (2, draft("a", "y"))])

    assert len(kept) == 2
    assert dropped == []


@given(texts=st.lists(st.sampled_from("aAbBcC")), chance=st.randoms())
def test_the_order_of_the_rows_does_not_decide_which_spelling_stays(
    texts: list[str], chance: random.Random
) -> None:
    shuffled = list(texts)
    chance.shuffle(shuffled)

    first, second = (
        sorted(each.text for _, each in deduplicate(enumerate(map(draft, order)))[0])
        for order in (texts, shuffled)
    )
    assert first == second
