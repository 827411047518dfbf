"""Heads, storage, repeatability and odd data, on small pairs made here."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from emulator.learners.history import EpochRecord
from emulator.learners.tuned_model import load_model, train_model

NAMES = ["Ada", "Bo", "Cleo", "Dag", "Eva", "Finn", "Gus", "Hanna", "Ivo", "Jana", "Kai", "Lena"]
CITIES = ["Oslo", "Bern", "Rome", "Lima", "Kyiv", "Graz", "Nice", "Cork", "Łódź", "Αθήνα"]
VERBS = ["lives in", "moved to", "was born in", "called from"]


def sentences(count: int) -> list[tuple[str, str, str]]:
    chance = random.Random(3)  # noqa: S311  repeatable examples
    return [
        (chance.choice(NAMES), chance.choice(VERBS), chance.choice(CITIES)) for _ in range(count)
    ]


EDIT = [
    (
        f"Mask it.\n\nText: In week {week} our friend {who} {verb} {city}.",
        f"In week {week} our friend [NAME] {verb} [CITY].",
    )
    for week, (who, verb, city) in enumerate(sentences(60))
]
SPAN = [
    (f"Answer.\n\nContext: They say {who} {verb} {city}.\nQuestion: Who {verb} it?", who)
    for who, verb, city in sentences(60)
]
CLASS = [
    (f"Which?\n\nText: {who} {verb} {city}", "went" if verb == "moved to" else "stayed")
    for who, verb, city in sentences(60)
]
JSON = [
    (
        f"Give JSON.\n\nText: Well, {who} {verb} {city} in {len(who)} days.",
        json.dumps({"who": who, "city": city, "moved": verb == "moved to", "note": None}),
    )
    for who, verb, city in sentences(60)
]
NEAREST = [
    (f"Reply.\n\nText: {who} {verb} {city}", f"{at} reasons came up: {' '.join(city[::-1])} {at}")
    for at, (who, verb, city) in enumerate(sentences(60))
]
HEADS = {"edit": EDIT, "span": SPAN, "class": CLASS, "json": JSON, "nearest": NEAREST}

heads = pytest.mark.parametrize("head", HEADS)


@heads
def test_the_head_follows_from_the_outputs(head: str) -> None:
    assert train_model(HEADS[head]).head == head


@heads
def test_what_was_shown_is_learned(head: str) -> None:
    pairs = HEADS[head]
    model = train_model(pairs, epochs=4)

    right = sum(model.answer(prompt) == output for prompt, output in pairs)

    assert right >= 0.8 * len(pairs)


def test_an_edit_carries_over_to_words_never_seen() -> None:
    model = train_model(EDIT, epochs=4)

    answer = model.answer("Mask it.\n\nText: In week 7 our friend Zorica moved to Ulm.")

    assert answer == "In week 7 our friend [NAME] moved to [CITY]."


@heads
def test_a_loaded_model_gives_the_same_answers_and_history(head: str, tmp_path: Path) -> None:
    model = train_model(HEADS[head], validation=HEADS[head][:5])
    prompts = [prompt for prompt, _ in HEADS[head]] + ["", "Text: new", "Ünïcode → 漢字 🙂"]

    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")

    assert loaded.answer_many(prompts) == model.answer_many(prompts)
    assert loaded.history == model.history
    assert loaded.head == head


@heads
def test_threads_may_share_a_model(head: str) -> None:
    model = train_model(HEADS[head])
    prompts = [prompt for prompt, _ in HEADS[head][:10]]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(model.answer, prompts * 5))

    assert answers == model.answer_many(prompts) * 5


@heads
def test_the_same_seed_gives_the_same_model(head: str) -> None:
    prompts = [prompt for prompt, _ in HEADS[head]]

    one, two = (train_model(HEADS[head], seed=7) for _ in range(2))

    assert one.history == two.history
    assert one.answer_many(prompts) == two.answer_many(prompts)


def test_another_seed_trains_in_another_order() -> None:
    assert train_model(EDIT, seed=1).history != train_model(EDIT, seed=2).history


@heads
def test_progress_sees_every_pass_and_can_stop_after_one(head: str) -> None:
    seen: list[EpochRecord] = []

    def stop_after_two(record: EpochRecord) -> bool:
        seen.append(record)
        return record.epoch < 2

    model = train_model(HEADS[head], epochs=5, progress=stop_after_two)

    assert [record.epoch for record in seen] == [1, 2]
    assert model.history == seen
    assert isinstance(model.answer(HEADS[head][0][0]), str)


@pytest.mark.parametrize(
    "pairs",
    [
        [("one prompt", "one output")],
        [("", "")],
        [("", "something")],
        [("Text: a", "")] * 4,
        [("same", "same")] * 5,
        [("Text: a b c", "x"), ("Text: d e f", "x")],
        [("{}", "{}"), ("x", "{}")],
        [("Text: a", '{"k": {"n": 1}}'), ("Text: b", '{"k": null}')],
        [("Text: 漢字 🙂 é", "漢字"), ("Text: ∆ ß 🙂", "ß"), ("Text: \ud800", "🙂")],
        [("\n\n\n", " "), ("\t", "\n")],
        [("Context: a\nQuestion: b", "zzz"), ("Context: \nQuestion: ", "a")],
    ],
)
def test_odd_pairs_teach_a_model_that_answers(pairs: list[tuple[str, str]]) -> None:
    model = train_model(pairs, validation=[("", ""), ("new text", "new output")])

    answers = model.answer_many(["", "Text: ", "new", "漢字\n\nText: ∆", pairs[0][0]])

    assert len(answers) == 5
    assert all(isinstance(answer, str) for answer in answers)
    assert all(np.isfinite(record.train_loss) for record in model.history)


def test_equal_outputs_are_given_to_every_prompt() -> None:
    model = train_model([(f"Text: {number}", "yes") for number in range(10)])

    assert model.answer_many(["Text: 3", "", "other"]) == ["yes"] * 3


def test_a_value_that_is_absent_is_null_and_numbers_stay_numbers() -> None:
    pairs = [
        (f"Text: table for {n}", json.dumps({"people": n, "name": None})) for n in range(2, 9)
    ] * 3

    answer = json.loads(train_model(pairs, epochs=4).answer("Text: table for 4"))

    assert answer == {"people": 4, "name": None}


def test_no_prompts_get_no_answers() -> None:
    assert train_model(CLASS).answer_many([]) == []


def test_learning_from_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 pairs"):
        train_model([])
    with pytest.raises(ValueError, match="0 epochs"):
        train_model(CLASS, epochs=0)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", numbers=np.arange(3))

    with pytest.raises(ValueError, match="no learned model"):
        load_model(tmp_path / "other.npz")
