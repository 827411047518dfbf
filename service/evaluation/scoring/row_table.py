"""The table of an evaluation: one row an example, the same names in API, Parquet, JSONL and CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.datasets.examples import Example
from service.evaluation.answer_repository import Sample
from service.evaluation.scoring.answers import ReadAnswer
from service.storage.ports import ObjectStore
from service.storage.tables import ColumnType, Range, TableSchema, range_rows

VERSION = 4
_TOKENS = "of all samples of the row"
# Name, type, whether it may be null, and meaning. `scores` has one member for each metric.
_COLUMNS: Sequence[tuple[str, ColumnType, bool, str]] = (
    ("evaluation_id", "string", False, "the evaluation"),
    ("variant", "string", False, "how the model was used: zero_shot, few_shot and so on"),
    ("model", "string", True, "the tuned model; null where a base model answered"),
    ("base_model", "string", False, "the base model"),
    ("position", "int64", False, "place of the example in its split, from 0"),
    ("example_id", "string", False, "the example; the same in every evaluation of a dataset"),
    ("group", "string", False, "what a split keeps together: the unit of intervals"),
    ("label", "string", False, "the label of the example; empty where there are none"),
    ("input", "string", False, "the user's turn without the instruction"),
    ("prediction", "string", False, "what the model wrote"),
    ("answer", "string", False, "what the prediction says, in its normal form: what is scored"),
    ("references", "strings", False, "the answers that count as right"),
    ("rejected", "string", False, "the answer that the reference was preferred to; else empty"),
    ("outcome", "string", False, "ok, refused, truncated, unparsable or failed"),
    ("correct", "bool", True, "whether the answer is right; null where there is none to score"),
    ("scores", "floats", False, "what the row earned by each metric; null where it has no score"),
    ("findings", "strings", False, "what is wrong with the answer but for its score"),
    ("shot_ids", "strings", False, "training examples in the prompt, in order"),
    ("samples", "int64", False, "answers that were asked for"),
    ("agreement", "int64", False, "samples that say what the answer says, itself included"),
    ("confidence", "float64", True, "agreement over samples; null with a single sample"),
    ("verbal_confidence", "float64", True, "how likely a judge says the answer is right"),
    ("logprob", "float64", True, "log-probability of the prediction, where the model returns it"),
    ("finish_reason", "string", False, "how the provider says the call ended"),
    ("error", "string", False, "why there is no answer"),
    ("prompt_tokens", "int64", False, _TOKENS),
    ("output_tokens", "int64", False, _TOKENS),
    ("cost_usd", "float64", True, f"{_TOKENS}; null where no price is known"),
    ("latency_ms", "int64", True, "time of the call that answered; null for cached and batched"),
    ("synthetic", "bool", False, "answered by the emulator, not by Gemini"),
    ("cached", "bool", False, "an answer that was paid for before"),
    ("answered_at", "timestamp", False, "when the answer was stored"),
)
NANO = 1_000_000_000


def table_schema(metrics: Sequence[str]) -> TableSchema:
    """Return the schema of a table whose rows are scored by these metrics."""
    columns: dict[str, ColumnType] = {name: kind for name, kind, _, _ in _COLUMNS}
    return TableSchema(version=VERSION, columns=columns, members={"scores": tuple(metrics)})


def json_schema(metrics: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of one row, as JSON Lines have it."""
    properties = {
        name: _member(kind, description, is_nullable=is_nullable, metrics=metrics)
        for name, kind, is_nullable, description in _COLUMNS
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Row of an evaluation, version {VERSION}",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _member(
    kind: ColumnType, description: str, *, is_nullable: bool, metrics: Sequence[str]
) -> dict[str, Any]:
    schemas: Mapping[ColumnType, dict[str, Any]] = {
        "string": {"type": "string"},
        "int64": {"type": "integer"},
        "float64": {"type": "number"},
        "bool": {"type": "boolean"},
        "timestamp": {"type": "string", "format": "date-time"},
        "strings": {"type": "array", "items": {"type": "string"}},
        "floats": {
            "type": "object",
            "properties": {name: {"type": ["number", "null"]} for name in metrics},
            "required": list(metrics),
            "additionalProperties": False,
        },
    }
    schema = {**schemas[kind], "description": description}
    return schema | {"type": [schema["type"], "null"]} if is_nullable else schema


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What is the same in every row of an evaluation's table."""

    evaluation_id: str
    variant: str
    model: str | None
    base_model: str


def table_row(
    facts: RowFacts,
    position: int,
    example: Example,
    samples: Sequence[Sample],
    *,
    elected: Sample,
    answer: ReadAnswer,
    agreement: int,
) -> dict[str, Any]:
    """Return a row but for its scores, confidence, shots and findings."""
    costs = [each.cost_nano for each in samples]
    known = [each for each in costs if each is not None]
    return {
        "evaluation_id": facts.evaluation_id,
        "variant": facts.variant,
        "model": facts.model,
        "base_model": facts.base_model,
        "position": position,
        "example_id": example.id,
        "group": example.group,
        "label": example.label,
        "input": example.text,
        "prediction": elected.text,
        "answer": answer.text,
        "references": list(example.references),
        "rejected": example.rejected,
        "outcome": answer.outcome.value,
        "samples": len(samples),
        "agreement": agreement,
        "finish_reason": elected.finish_reason,
        "error": elected.error,
        "prompt_tokens": sum(each.prompt_tokens for each in samples),
        "output_tokens": sum(each.output_tokens for each in samples),
        "cost_usd": sum(known) / NANO if len(known) == len(costs) else None,
        "latency_ms": elected.latency_ms,
        "synthetic": elected.synthetic,
        "cached": elected.cached,
        "answered_at": elected.created_at,
    }


def rows_after(
    key: str, evaluation_id: str, *, after: int, store: ObjectStore
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a stored table from the position that follows `after`."""
    selected = Range("evaluation_id", evaluation_id, order="position", first=after + 1)
    with store.open(key) as stream:
        yield from range_rows(stream, selected)
