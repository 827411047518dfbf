"""A preset of a user's own, as a YAML file or an object: words and rules, no code."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from service.datasets.drops import DropReason
from service.datasets.examples import collapse, fold
from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm, AnswerKind
from service.datasets.presets.options import (
    AnswerTemplate,
    InputTemplate,
    columns_in,
    fill,
    filled_too_long,
)
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem
from service.datasets.presets.targets import (
    TargetSchema,
    check_schema,
    json_target,
    label_of,
    spelled_labels,
)

YAML_CHARACTERS = 65_536


def _as_written(label: object) -> object:
    """Return a number or a truth value as JSON writes it, and so as the rows have it."""
    return json.dumps(label) if isinstance(label, int | float) else label


Label = Annotated[
    str,
    BeforeValidator(_as_written, json_schema_input_type=str | int | float | bool),
    Field(min_length=1, max_length=200),
]
Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "chosen_over_rejected",
    "chrf",
    "exact_match",
    "json_equal",
    "json_field_f1",
    "json_field_precision",
    "json_field_recall",
    "lowercase_exact_match",
    "lowercase_f1",
    "macro_f1",
    "micro_f1",
    "multilingual_f1",
    "normalised_match",
    "pii_entity_f1",
    "pii_leak_rate",
    "pii_leaked_characters",
    "pii_span_f1",
    "rouge1",
    "rouge1_stemmed",
    "rouge2",
    "rouge2_stemmed",
    "rougeL",
    "rougeL_stemmed",
    "sacrebleu",
    "sacrebleu_by_script",
    "sacrebleu_char",
    "sacrebleu_zh",
    "squad_exact_match",
    "squad_f1",
    "squad_v2_exact_match",
    "squad_v2_f1",
]


class Normalisation(StrEnum):
    """`strip` the ends, `collapse` all white space, or `fold`: collapse and lower the case."""

    NONE = "none"
    STRIP = "strip"
    COLLAPSE = "collapse"
    FOLD = "fold"


_NORMALISED: Mapping[Normalisation, Callable[[str], str]] = {
    Normalisation.NONE: str,
    Normalisation.STRIP: str.strip,
    Normalisation.COLLAPSE: collapse,
    Normalisation.FOLD: fold,
}


class PresetDefinition(BaseModel):
    """`{{column}}` in `text`, `target` and `group` is replaced by what the column holds.

    In the instruction `{{labels}}` and `{{schema}}` stand for what is given below. Columns are
    stripped unless `normalise` says otherwise. A `labels` list closes the set of targets, a
    `target_schema` makes targets JSON.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,49}$",
        description="a name of lower-case letters, digits, _ and -, none of the shipped presets'",
        examples=["reviews"],
    )
    instruction: str = Field(default="", max_length=20_000)
    text: InputTemplate
    target: AnswerTemplate
    group: str = Field(default="", max_length=1000, description="what a split keeps together")
    optional_columns: tuple[str, ...] = Field(default=(), max_length=20)
    normalise: dict[str, Normalisation] = Field(default={}, max_length=50)
    labels: tuple[Label, ...] = Field(default=(), max_length=1000)
    target_schema: dict[str, Any] | None = None
    metrics: tuple[Metric, ...] = Field(default=("exact_match",), min_length=1, max_length=5)
    test_size: int = Field(default=200, ge=1, le=100_000)
    held_out_rows_per_group: int | None = Field(default=None, ge=1)
    drops_near_duplicates: bool = True

    @field_validator("target_schema")
    @classmethod
    def _understood(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        spelled_labels(labels)
        return labels

    @model_validator(mode="after")
    def _names_columns_that_it_reads(self) -> Self:
        read = self.columns
        if not set(self.optional_columns) | self.normalise.keys() <= set(read):
            raise ValueError(f"optional and normalised columns are some of {', '.join(read)}")
        if self.labels and self.target_schema:
            raise ValueError("targets are labels or JSON, not both")
        words = set(columns_in(self.instruction)) - {"labels", "schema"}
        if words:
            raise ValueError("the instruction is the same for all rows: it names no columns")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_in(self.text, self.target, self.group)


def read_definition(text: str) -> PresetDefinition:
    """Return the preset that a YAML file defines.

    Raises ValueError, which names what is wrong by its place: no tags, no anchors, no aliases.
    """
    from service.datasets.formats.plain_yaml import read_yaml

    loaded = read_yaml(text, limit_characters=YAML_CHARACTERS)
    try:
        return PresetDefinition.model_validate(loaded)
    except ValidationError as error:
        raise ValueError(_said(error)) from None


def _said(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults[:5])


def defined_preset(definition: PresetDefinition) -> Preset:
    """Return the preset of a definition."""
    optional = definition.optional_columns
    return Preset(
        name=definition.name,
        instruction=_instruction(definition),
        columns=tuple(name for name in definition.columns if name not in optional),
        optional_columns=optional,
        metrics=definition.metrics,
        convert=_converter(definition),
        held_out_rows_per_group=definition.held_out_rows_per_group,
        near_groups=not definition.group,
        drops_near_duplicates=definition.drops_near_duplicates,
        labels=definition.labels,
        answer=_answer_form(definition),
        test_size=definition.test_size,
        pointer="/spec/definition",
    )


def _answer_form(definition: PresetDefinition) -> AnswerForm:
    if definition.labels:
        return AnswerForm(AnswerKind.LABEL, labels=definition.labels)
    if definition.target_schema is not None:
        return AnswerForm(AnswerKind.JSON, schema=definition.target_schema)
    return ANY_TEXT


def _instruction(definition: PresetDefinition) -> str:
    schema = definition.target_schema
    words = {
        "labels": ", ".join(definition.labels),
        "schema": json.dumps(schema, ensure_ascii=False) if schema else "",
    }
    return fill(definition.instruction, words)


def _converter(definition: PresetDefinition) -> Callable[[Mapping[str, str]], Converted]:
    spelled = spelled_labels(definition.labels)
    schema = TargetSchema(definition.target_schema) if definition.target_schema else None

    def convert(given: Mapping[str, str]) -> Converted:
        fields = _normalised(given, definition.normalise)
        if not any(fields[name] for name in columns_in(definition.text)):
            return DropReason.EMPTY_TEXT
        if problem := filled_too_long(fields, definition.text, definition.target, definition.group):
            return problem
        text = fill(definition.text, fields).strip()
        target = _target(fill(definition.target, fields).strip(), definition, schema, spelled)
        if isinstance(target, RowProblem):
            return target
        group = fold(fill(definition.group, fields)) or fold(text)
        label = target if spelled else ""
        return ConvertedExample(text, target, (target,), group, (text, target), label=label)

    return convert


def _target(
    given: str,
    definition: PresetDefinition,
    schema: TargetSchema | None,
    spelled: Mapping[str, str],
) -> str | RowProblem:
    if definition.target_schema is not None:
        return json_target(given, schema)
    return label_of(given, spelled) if spelled else given


def _normalised(fields: Mapping[str, str], rules: Mapping[str, Normalisation]) -> dict[str, str]:
    return {
        name: _NORMALISED[rules.get(name, Normalisation.STRIP)](value)
        for name, value in fields.items()
    }
