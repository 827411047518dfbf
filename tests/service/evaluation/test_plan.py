"""Conversations and shots."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets import examples
from service.datasets.examples import Example, user_turn
from service.errors import Invalid
from service.evaluation.plans.plan import parse_key, request_key
from service.evaluation.plans.shots import choose_shots
from service.evaluation.prompts import conversation
from service.inference.ports import Turn


def example(place: int, *, group: str = "", label: str = "") -> Example:
    text, target = f"text {place}", f"target {place}"
    return Example(f"ex_{place}", text, target, (target,), group or f"g{place}", place, label)


def asking(text: str) -> Example:
    return replace(example(0), text=text)


EXAMPLES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["", "red", "blue"])), max_size=15
).map(
    lambda pairs: [
        example(place, group=group, label=label) for place, (group, label) in enumerate(pairs)
    ]
)


def test_without_shots_the_question_is_the_turn_that_tuning_teaches() -> None:
    assert conversation("Mask it.", asking("I am Ann")) == (
        Turn("user", user_turn("Mask it.", "I am Ann")),
    )


def test_what_was_said_before_stands_before_the_question() -> None:
    history = (examples.Turn("user", "Hello"), examples.Turn("model", "Hi"))
    asked = replace(asking("I am Ann"), history=history)
    turns = conversation("Mask it.", asked, shots=[example(1)])
    assert [turn.text for turn in turns] == [
        "Mask it.\n\ntext 1",
        "target 1",
        "Hello",
        "Hi",
        "I am Ann",
    ]


def test_with_shots_the_instruction_stands_once_and_the_question_last() -> None:
    turns = conversation("Mask it.", asking("I am Ann"), shots=[example(1), example(2)])
    assert turns == (
        Turn("user", "Mask it.\n\ntext 1"),
        Turn("model", "target 1"),
        Turn("user", "text 2"),
        Turn("model", "target 2"),
        Turn("user", "I am Ann"),
    )


@given(shots=EXAMPLES, instruction=st.text(max_size=5), text=st.text(max_size=5))
def test_turns_alternate_and_end_with_the_user(
    shots: list[Example], instruction: str, text: str
) -> None:
    turns = conversation(instruction, asking(text), shots=shots)
    assert len(turns) == 2 * len(shots) + 1
    assert [turn.role for turn in turns] == ["user", "model"] * len(shots) + ["user"]


@given(train=EXAMPLES, seed=st.integers(0, 9), mix=st.randoms(use_true_random=False))
def test_the_same_seed_chooses_the_same_shots_from_any_order(
    train: list[Example], seed: int, mix: random.Random
) -> None:
    chosen = choose_shots(train, len(train) // 2, seed=seed)
    mixed = list(train)
    mix.shuffle(mixed)
    assert choose_shots(mixed, len(train) // 2, seed=seed) == chosen


@given(train=EXAMPLES, seed=st.integers(0, 9))
def test_shots_are_distinct_and_spread_over_groups(train: list[Example], seed: int) -> None:
    k = len(train) // 2
    chosen = choose_shots(train, k, seed=seed)
    assert len({each.id for each in chosen}) == k
    assert {each.id for each in chosen} <= {each.id for each in train}
    groups = {each.group for each in train}
    assert len({each.group for each in chosen}) == min(k, len(groups))


def test_fewer_shots_are_the_first_of_more() -> None:
    train = [example(place, label="ab"[place % 2]) for place in range(20)]
    assert choose_shots(train, 6, seed=4)[:3] == choose_shots(train, 3, seed=4)


def test_labels_are_spread_among_the_shots() -> None:
    rare = [example(place, label="rare") for place in range(2)]
    common = [example(place, label="common") for place in range(2, 60)]
    for seed in range(10):
        labels = [shot.label for shot in choose_shots([*rare, *common], 4, seed=seed)]
        assert sorted(labels) == ["common", "common", "rare", "rare"]


def test_another_seed_chooses_other_shots() -> None:
    train = [example(place) for place in range(50)]
    assert choose_shots(train, 3, seed=0) != choose_shots(train, 3, seed=1)


@pytest.mark.parametrize("k", [-1, 3])
def test_shots_that_are_not_there_are_refused(k: int) -> None:
    with pytest.raises(Invalid, match="has 2 examples") as caught:
        choose_shots([example(0), example(1)], k, seed=0)
    assert caught.value.faults[0].pointer == "/spec/shots"


def test_a_key_names_an_example_whatever_its_id_holds() -> None:
    assert parse_key(request_key("a/b", 12)) == ("a/b", 12)
