"""What each preset says an answer may be, and the response schema that holds a model to it."""

import json
from typing import Any

import pytest

from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm, AnswerKind
from service.datasets.presets.definition import PresetDefinition
from service.datasets.presets.registry import choose_preset

SCHEMA = {
    "type": "object",
    "properties": {
        "item": {"type": "string", "description": "what was bought"},
        "count": {"type": ["integer", "null"]},
        "size": {"type": "string", "enum": ["S", "M"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {},
    },
    "required": ["item"],
    "additionalProperties": False,
}
OWN: dict[str, Any] = {"name": "own", "text": "{{a}}", "target": "{{b}}"}


@pytest.mark.parametrize(
    ("name", "options", "form"),
    [
        ("pii", {}, ANY_TEXT),
        ("squad", {}, AnswerForm(AnswerKind.SPAN)),
        (
            "sentiment",
            {},
            AnswerForm(AnswerKind.LABEL, labels=("positive", "negative", "neutral")),
        ),
        ("classification", {"labels": ("a", "b")}, AnswerForm(AnswerKind.LABEL, labels=("a", "b"))),
        ("extraction", {"target_schema": SCHEMA}, AnswerForm(AnswerKind.JSON, schema=SCHEMA)),
        ("extraction", {}, AnswerForm(AnswerKind.JSON)),
        ("generic", {"definition": PresetDefinition(**OWN)}, ANY_TEXT),
        (
            "generic",
            {"definition": PresetDefinition(**OWN, labels=("a", "b"))},
            AnswerForm(AnswerKind.LABEL, labels=("a", "b")),
        ),
        (
            "generic",
            {"definition": PresetDefinition(**OWN, target_schema=SCHEMA)},
            AnswerForm(AnswerKind.JSON, schema=SCHEMA),
        ),
    ],
)
def test_a_preset_says_what_an_answer_may_be(
    name: str, options: dict[str, Any], form: AnswerForm
) -> None:
    preset = choose_preset(name, template=None, columns=(), **options)

    assert preset.answer == form
    assert AnswerForm.from_json(json.loads(json.dumps(form.as_json()))) == form


def test_labels_become_an_enum_and_a_schema_googles_form_of_it() -> None:
    labels = json.loads(AnswerForm(AnswerKind.LABEL, labels=("a", "b")).response_format)
    record = json.loads(AnswerForm(AnswerKind.JSON, schema=SCHEMA).response_format)

    assert labels == {
        "responseMimeType": "text/x.enum",
        "responseSchema": {"type": "STRING", "enum": ["a", "b"]},
    }
    assert record["responseMimeType"] == "application/json"
    assert record["responseSchema"] == {
        "type": "OBJECT",
        "properties": {
            "item": {"type": "STRING", "description": "what was bought"},
            "count": {"type": "INTEGER", "nullable": True},
            "size": {"type": "STRING", "enum": ["S", "M"]},
            "tags": {"type": "ARRAY", "items": {"type": "STRING"}},
            "note": {"type": "STRING"},
        },
        "propertyOrdering": ["item", "count", "size", "tags", "note"],
        "required": ["item"],
    }


@pytest.mark.parametrize("kind", AnswerKind)
def test_answers_that_are_not_closed_have_no_response_schema(kind: AnswerKind) -> None:
    assert AnswerForm(kind).response_format == ""
