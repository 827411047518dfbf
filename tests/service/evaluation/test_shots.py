"""Which training examples are shown: the same for all rows, at random, or the nearest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.examples import Example, Split
from service.datasets.queries import ready_dataset
from service.errors import Invalid
from service.evaluation.plans.shots import NearestShots, RandomShots
from service.evaluation.schemas import EvaluateSpec
from tests.service.evaluation.conftest import ROWS, Room
from tests.support.stored_examples import read_examples

POOL = [
    Example(f"ex_{at}", text, "x", ("x",), group=f"g{at}", row=at)
    for at, text in enumerate(
        ["where is my parcel", "the parcel is late", "a wrong invoice", "close my account now"]
    )
]


def asking(text: str, name: str = "ex_test") -> Example:
    return Example(name, text, "x", ("x",), group="test", row=9)


def test_the_nearest_examples_share_the_rarest_words_and_the_most_similar_stands_last() -> None:
    shots = NearestShots(POOL, 2).of(asking("When does my PARCEL come, is it late?"))

    assert [shot.id for shot in shots] == ["ex_0", "ex_1"]


@given(st.text(max_size=40), st.integers(0, len(POOL)))
def test_any_text_has_its_nearest_examples(text: str, k: int) -> None:
    shots = NearestShots(POOL, k).of(asking(text))

    assert len({shot.id for shot in shots}) == k
    assert NearestShots(POOL, k).of(asking(text)) == shots


def test_random_shots_differ_by_row_and_are_the_same_whenever_it_is_asked() -> None:
    shots = RandomShots(POOL, 2, seed=1)
    drawn = [shots.of(asking("a", f"ex_{row}")) for row in range(40)]

    assert drawn == [RandomShots(POOL, 2, seed=1).of(asking("b", f"ex_{row}")) for row in range(40)]
    assert {shot.id for each in drawn for shot in each} == {each.id for each in POOL}
    assert len({tuple(shot.id for shot in each) for each in drawn}) > len(POOL)


def asked_texts(room: Room) -> list[list[str]]:
    return [[turn.text for turn in request.contents] for request in room.oracle.asked]


@pytest.mark.parametrize("selection", ["fixed", "random", "nearest"])
@pytest.mark.parametrize("variant", ["few_shot", "chain_of_thought"])
def test_shots_come_from_train_and_every_row_says_which(
    room: Room, selection: str, variant: str
) -> None:
    run = room.reserve(variant=variant, shots=3, shot_selection=selection)

    evaluation = room.evaluate(run)

    with room.sessions.reading() as session:
        view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    examples = read_examples(view.examples_key, Split.TRAIN, store=room.store)
    train = {each.id: each for each in examples}
    rows = room.table(evaluation)
    shown = [row["shot_ids"] for row in rows]
    assert {each for ids in shown for each in ids} <= train.keys()
    assert (len({tuple(ids) for ids in shown}) == 1) == (selection == "fixed")
    by_last = {texts[-1]: texts for texts in asked_texts(room)}
    held_out = read_examples(view.examples_key, Split.TEST, store=room.store)
    for example, ids in zip(held_out, shown, strict=True):
        texts = by_last[example.text]
        asked = [text.split("\n\n", 1)[-1] for text in texts[:-1:2]]
        assert asked == [train[each].text for each in ids]
    assert evaluation.setup is not None
    assert evaluation.setup["shot_selection"] == selection
    assert evaluation.setup["shot_ids"] == (shown[0] if selection == "fixed" else [])


def test_reasoning_is_asked_for_and_answers_without_the_mark_are_unparsable(room: Room) -> None:
    evaluation = room.evaluate(room.reserve(variant="chain_of_thought"))

    (text,) = asked_texts(room)[0]
    assert "step by step" in text.partition("\n\n")[0]
    assert evaluation.outcomes == {"unparsable": ROWS}
    assert evaluation.setup is not None
    assert "`Answer:`" in evaluation.setup["extraction"]
    rows = room.table(evaluation)
    assert {(row["prediction"], row["answer"], row["correct"]) for row in rows} == {
        ("no", "", None)
    }
    assert evaluation.findings
    (found,) = evaluation.findings
    assert (found["code"], found["rows"]) == ("without_mark", ROWS)


def test_how_answers_were_generated_and_read_is_written_down(room: Room) -> None:
    spec = {"instruction": "Do it.", "max_output_tokens": 77, "thinking": "default", "seed": 5}

    evaluation = room.evaluate(room.reserve(**spec))

    assert evaluation.setup == {
        "instruction": "Do it.",
        "shot_selection": None,
        "shot_ids": [],
        "decoding": {
            "temperature": 0.0,
            "max_output_tokens": 77,
            "seed": 5,
            "samples": 1,
            "thinking": {},
            "not_sent": [],
            "response_format": None,
        },
        "answers": "text",
        "labels": [],
        "extraction": None,
        "normalisation": "verbatim",
        "normalisation_steps": [],
    }
    assert {texts[0].partition("\n\n")[0] for texts in asked_texts(room)} == {"Do it."}


def test_a_response_schema_needs_answers_that_are_closed(room: Room) -> None:
    with pytest.raises(Invalid) as caught:
        room.reserve(controlled=True)

    assert caught.value.code == "answers_not_closed"
    assert caught.value.faults[0].pointer == "/spec/controlled"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variant": "zero_shot", "shots": 1}, "`shots`"),
        ({"variant": "few_shot"}, "`shots`"),
        ({"variant": "tuned_few_shot", "shots": 2}, "`model`"),
        ({"variant": "tuned_few_shot", "model": "model_01jd5v3q0e8k3v7m2x9y4z6abc"}, "`shots`"),
        ({"variant": "chain_of_thought", "controlled": True}, "reason"),
    ],
)
def test_a_variant_takes_what_it_needs_and_nothing_else(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        EvaluateSpec.model_validate({"dataset": "ds_01jd5v3q0e8k3v7m2x9y4z6abc", **options})
