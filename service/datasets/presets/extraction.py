"""What a text says, as JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from service.datasets.drops import DropReason
from service.datasets.examples import fold
from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.options import PresetOptions
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem
from service.datasets.presets.targets import TargetSchema, json_target

_TASK = "Extract the information from the text as JSON. Return only the JSON."


def extraction_preset(options: PresetOptions) -> Preset:
    """Return the preset of targets that are JSON, of a schema if one is given."""
    options.allow_only("target_schema", "instruction", preset="extraction")
    return Preset(
        name="extraction",
        instruction=options.instruction_or(
            instruction_for(options.target_schema), schema=_spelled(options.target_schema)
        ),
        columns=("text", "target"),
        optional_columns=("context",),
        metrics=("json_field_f1", "json_equal", "exact_match"),
        convert=_converter(options.target_schema),
        near_groups=True,
        answer=AnswerForm(AnswerKind.JSON, schema=options.target_schema),
    )


def instruction_for(schema: Mapping[str, Any] | None) -> str:
    return f"{_TASK}\nSchema: {_spelled(schema)}" if schema else _TASK


def _spelled(schema: Mapping[str, Any] | None) -> str:
    return json.dumps(schema, ensure_ascii=False) if schema else ""


def _converter(given: Mapping[str, Any] | None) -> Callable[[Mapping[str, str]], Converted]:
    schema = TargetSchema(given) if given else None

    def convert(fields: Mapping[str, str]) -> Converted:
        text, context = fields["text"].strip(), fields["context"].strip()
        if not text:
            return DropReason.EMPTY_TEXT
        target = json_target(fields["target"], schema)
        if isinstance(target, RowProblem):
            return target
        # The question is text and context: one text may have different answers in two contexts.
        question = f"Context: {context}\nText: {text}" if context else f"Text: {text}"
        return ConvertedExample(
            question, target, (target,), fold(question), (fold(question), _sorted(target))
        )

    return convert


def _sorted(line: str) -> str:
    return json.dumps(json.loads(line), sort_keys=True) if line else ""
