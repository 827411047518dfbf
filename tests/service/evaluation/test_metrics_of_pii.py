"""Masked entities of an answer against those of the reference."""

import csv
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.metrics.pii import aligned_entities
from service.evaluation.metrics.registry import METRICS
from tests.service.evaluation.published import FOLDER, value_of

MAIL = "Write to [FIRSTNAME] at [EMAIL], or call [PHONENUMBER]."
TOKENS = st.lists(st.sampled_from(["a", "b", "[x]", "[y]", "["]), max_size=6)


def counts(metric: str, said: str, gold: str) -> list[float]:
    found: list[float] = METRICS[metric].measure().statistics([said], [[gold]])[0].tolist()
    return found


@pytest.mark.parametrize(
    ("said", "shared", "answered"),
    [
        (MAIL, 3, 3),
        ("Write to [FirstName] at <EMAIL>, or call {{ phonenumber }}.", 3, 3),
        ("Write to Ann at [EMAIL], or call [PHONENUMBER].", 2, 2),
        ("Write to [LASTNAME] at [EMAIL], or call [PHONENUMBER].", 2, 3),
        ("Write to [EMAIL] at [FIRSTNAME], or call [PHONENUMBER].", 1, 3),
        ("[FIRSTNAME] to [FIRSTNAME] at [EMAIL], or call [PHONENUMBER].", 3, 4),
        ("Sure! Here it is: Write to [FIRSTNAME] at [EMAIL], or call [PHONENUMBER].", 3, 3),
        ("[PHONENUMBER] [EMAIL] [FIRSTNAME]", 1, 3),
        ("Write to Ann at ann@x.org, or call 555.", 0, 0),
        ("", 0, 0),
    ],
)
def test_an_entity_counts_where_its_label_stands_in_its_place(
    said: str, shared: int, answered: int
) -> None:
    assert counts("pii_entity_f1", said, MAIL) == [shared, answered, 3]


def test_labels_aside_any_placeholder_in_the_place_counts() -> None:
    said = "Write to [PERSON] at [CONTACT], or call 555."
    assert counts("pii_entity_f1", said, MAIL) == [0, 2, 3]
    assert counts("pii_span_f1", said, MAIL) == [2, 2, 3]
    assert value_of("pii_span_f1", [said], [[MAIL]]) == pytest.approx(80)


def test_a_text_without_entities_left_as_it_is_is_right() -> None:
    assert value_of("pii_entity_f1", ["Call me."], [["Call me."]]) == 100
    assert value_of("pii_entity_f1", ["Call [FIRSTNAME]."], [["Call me."]]) == 0


def test_entities_of_all_rows_are_added_before_the_f1() -> None:
    said = [MAIL, "I am Ann.", "Call [FIRSTNAME]."]
    golds = [[MAIL], ["I am [FIRSTNAME]."], ["Call me."]]
    assert value_of("pii_entity_f1", said, golds) == pytest.approx(100 * 2 * 3 / (4 + 4))


@settings(deadline=None, max_examples=200)
@given(first=TOKENS, second=TOKENS)
def test_the_alignment_is_a_longest_one_with_the_most_equal_placeholders(
    first: list[str], second: list[str]
) -> None:
    assert aligned_entities(first, second) == longest(first, second)[1]
    assert aligned_entities(second, first) == longest(first, second)[1]


def longest(first: Sequence[str], second: Sequence[str]) -> tuple[int, int]:
    """Return the length of the alignment and its equal placeholders, by trying every one."""
    if not first or not second:
        return 0, 0
    found = [longest(first[1:], second), longest(first, second[1:])]
    one, other = first[0], second[0]
    if one == other or (is_mask(one) and is_mask(other)):
        length, equal = longest(first[1:], second[1:])
        found.append((length + 1, equal + (one == other and is_mask(one))))
    return max(found)


def is_mask(token: str) -> bool:
    return len(token) > 1


def test_masks_lost_in_the_published_pairs_lower_recall_alone() -> None:
    file = FOLDER / "pii" / "presidio_synth_v2_shared_pairs.csv"
    if not file.exists():
        pytest.skip("../shared/data/pii is not on this machine")
    with file.open(encoding="utf-8", newline="") as lines:
        targets = [row["target_text"] for row in csv.DictReader(lines)][:300]
    masks = kept = 0

    def lose(found: re.Match[str]) -> str:
        nonlocal masks, kept
        masks += 1
        lost = masks % 5 == 0
        kept += not lost
        return "Ann Lee" if lost else found[0]

    said = [re.sub(r"\[\w+\]", lose, target) for target in targets]
    golds = [[target] for target in targets]
    assert value_of("pii_entity_f1", targets, golds) == 100
    sums = METRICS["pii_entity_f1"].measure().statistics(said, golds).sum(axis=0)
    assert sums.tolist() == [kept, kept, masks]
