"""The prompts of the product's own presets are understood, by rules, in every way of asking."""

import json
from typing import Any

import pytest

from emulator.learners.distributions import SamplingParameters
from emulator.learners.rules.base_model import answer_base
from emulator.learners.tuned_model import train_model
from service.datasets.presets import classification, extraction
from service.datasets.presets.pii import INSTRUCTION as MASKING
from service.datasets.presets.sentiment import SENTIMENT
from service.datasets.presets.squad import SQUAD

LABELS = ("card_arrival", "terms and conditions", "personal loan", "refund")
SCHEMA = {
    "type": "object",
    "properties": {
        "date": {"type": "string"},
        "people": {"type": "integer"},
        "guest_email": {"type": ["string", "null"]},
        "seat": {"type": "string", "enum": ["window", "aisle"]},
        "phones": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["guest_email"],
}
REASONED = "\nThink step by step, then write the answer on a line that begins with `Answer:`."
PROMPTS = {
    "classification": (classification.instruction_for(LABELS), "Text: My card never arrived"),
    "extraction": (extraction.instruction_for(SCHEMA), "Text: A table for 4 on 2024-05-01"),
    "pii": (MASKING, "Text: Write to bo@example.org"),
    "sentiment": (SENTIMENT.instruction, "Text: I love it"),
    "squad": (SQUAD.instruction, "Context: Ulm has 90 towers.\nQuestion: How many towers?"),
}
ANSWERS = {
    "classification": "card_arrival",
    "extraction": '{"date": "2024-05-01", "people": 4, "guest_email": null}',
    "pii": "Write to [EMAIL]",
    "sentiment": "positive",
    "squad": "90",
}


def ask(instruction: str, text: str, **options: Any) -> str:
    return answer_base([("user", f"{instruction}\n\n{text}")], **options)


@pytest.mark.parametrize("preset", PROMPTS)
def test_a_presets_prompt_is_understood(preset: str) -> None:
    assert ask(*PROMPTS[preset]) == ANSWERS[preset]


@pytest.mark.parametrize("preset", PROMPTS)
def test_a_presets_prompt_is_answered_after_reasoning_where_it_asks_for_that(preset: str) -> None:
    instruction, text = PROMPTS[preset]

    *reasoning, answer = ask(instruction + REASONED, text).splitlines()

    assert reasoning
    assert answer == f"Answer: {ANSWERS[preset]}"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("What do the conditions say", "terms and conditions"),
        ("I want a loan", "personal loan"),
        ("where is my refund", "refund"),
    ],
)
def test_the_listed_labels_are_whole_whatever_words_they_hold(text: str, label: str) -> None:
    assert ask(classification.instruction_for(LABELS), f"Text: {text}") == label


@pytest.mark.parametrize(
    "hint",
    [
        "Texts that mention a fee or a charge are refund.",
        "refund: a charge or fee on the bill",
        "- refund: a fee that was charged",
    ],
)
def test_what_the_instruction_says_of_a_label_decides(hint: str) -> None:
    instruction = classification.instruction_for(LABELS)
    text = "Text: you took a fee from my card"

    assert ask(instruction, text) == "card_arrival"
    assert ask(f"{instruction}\n{hint}", text) == "refund"


def test_the_label_for_doubtful_texts_is_taken_where_nothing_speaks_for_any() -> None:
    instruction = classification.instruction_for(LABELS)

    assert ask(instruction, "Text: hm") == "card_arrival"
    assert ask(f"{instruction}\nIf unsure, answer refund.", "Text: hm") == "refund"


def test_a_key_takes_what_stands_after_the_words_that_the_instruction_names() -> None:
    instruction = "Extract the keys reference and email as JSON."
    text = "Text: our ref 7-431, thanks"

    assert ask(instruction, text) == "{}"
    hinted = ask(f"{instruction} The value of reference follows the word `ref`.", text)
    assert json.loads(hinted) == {"reference": "7-431"}


def test_keys_without_a_value_are_left_out_unless_they_are_to_be_null() -> None:
    instruction, text = "Extract the keys date and people as JSON.", "Text: on 2024-05-01"

    assert json.loads(ask(instruction, text)) == {"date": "2024-05-01"}
    answered = ask(f"{instruction} Use null for what is not said.", text)
    assert json.loads(answered) == {"date": "2024-05-01", "people": None}


def test_a_prompt_that_names_no_keys_gets_the_values_there_are() -> None:
    answer = ask(extraction.instruction_for(None), "Text: at 10:30 on 2024-05-01")

    assert json.loads(answer) == {"date": "2024-05-01", "time": "10:30"}


def test_a_response_schema_holds_the_answer() -> None:
    options = {"type": "STRING", "enum": ["late parcel", "invoice"]}

    assert ask("Sort this.", "Text: the parcel is late", schema=options) == "late parcel"
    assert ask(*PROMPTS["pii"], schema=options) in options["enum"]
    controlled = ask("Read this.", PROMPTS["extraction"][1] + " at the window", schema=SCHEMA)
    assert json.loads(controlled) == {
        "date": "2024-05-01",
        "people": 4,
        "guest_email": None,
        "seat": "window",
    }


SORTED = [
    (f"{SENTIMENT.instruction}\n\nText: {text} number {at}", label)
    for at in range(20)
    for text, label in (("blue parcels", "positive"), ("red kettles", "negative"))
]


def test_a_tuned_model_reads_the_last_text_after_shots_and_reasons_where_asked() -> None:
    model = train_model(SORTED, epochs=8)
    shots = [("user", SORTED[0][0]), ("model", "positive")] * 2
    turns = [*shots, ("user", "Text: red kettles number 77")]

    assert model.answer(model.prompt(turns)) == "negative"
    drawn = model.draw(model.prompt(turns), SamplingParameters(), render="Answer: {}".format)
    assert [sample.text for sample in drawn] == ["Answer: negative"]


def test_a_tuned_model_leaves_out_keys_that_its_rows_leave_out() -> None:
    rows = [
        (f"Text: table for {n}{day}", {"people": str(n), **({"day": day[4:]} if day else {})})
        for n in range(2, 12)
        for day in ("", " on monday", " on friday")
    ]
    pairs = [(prompt, json.dumps(value)) for prompt, value in rows]

    model = train_model(pairs, epochs=6)

    answers = [json.loads(model.answer(prompt)) for prompt, _ in pairs]
    assert all(value is not None for answer in answers for value in answer.values())
    assert any("day" not in answer for answer in answers)
    assert any("day" in answer for answer in answers)
    for prompt, _ in pairs[:6]:
        (drawn,) = model.draw(prompt, SamplingParameters())
        assert json.loads(drawn.text) == json.loads(model.answer(prompt))
