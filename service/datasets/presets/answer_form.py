"""What an answer to a task may be: any text, a label of a set, a span of the input, or JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

_INPUT_HEADS = ("Text", "Context", "Question")  # before the parts of an input


class AnswerKind(StrEnum):
    """`span`: words copied from the input."""

    TEXT = "text"
    LABEL = "label"
    SPAN = "span"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """`labels` are the closed set of a `label` task, `schema` is the one of a `json` task.

    Both may be unknown: empty, or None.
    """

    kind: AnswerKind = AnswerKind.TEXT
    labels: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind.value, "labels": list(self.labels), "schema": self.schema}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the form that `as_json` gave; any text where nothing is known."""
        kind = AnswerKind(stored.get("kind", AnswerKind.TEXT))
        return cls(kind, tuple(stored.get("labels", ())), stored.get("schema"))

    @property
    def response_format(self) -> str:
        """The members of a call's `generationConfig` that hold answers to this form, as JSON.

        Empty where the form is not closed: a span or any text, labels or a schema that are not
        known. Source: Vertex AI, "Specify a format and schema for a response".
        """
        if self.kind is AnswerKind.LABEL and self.labels:
            schema: Mapping[str, Any] = {"type": "STRING", "enum": list(self.labels)}
            return _encoded("text/x.enum", schema)
        if self.kind is AnswerKind.JSON and self.schema:
            return _encoded("application/json", _response_schema(self.schema))
        return ""

    def words(self) -> Iterator[str]:
        """Yield what the task itself says, so that a masked text may show it: the heads of an
        input, the labels, and the names of the fields of an answer.
        """
        yield from _INPUT_HEADS
        yield from self.labels
        yield from ((self.schema or {}).get("properties") or {}).keys()


ANY_TEXT = AnswerForm()


def _encoded(mime_type: str, schema: Mapping[str, Any]) -> str:
    return json.dumps({"responseMimeType": mime_type, "responseSchema": schema})


def _response_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema in Google's form: one type in capitals, `nullable`, texts in enums."""
    given = schema.get("type", [])
    kinds = [given] if isinstance(given, str) else list(given)
    known = [kind for kind in kinds if kind != "null"]
    found: dict[str, Any] = {"type": (known or [_likely_type(schema)])[0].upper()}
    if "null" in kinds:
        found["nullable"] = True
    if values := [str(each) for each in schema.get("enum", ()) if each is not None]:
        found |= {"type": "STRING", "enum": values}
    found |= {name: schema[name] for name in ("title", "description", "required") if name in schema}
    if "properties" in schema:
        members = schema["properties"]
        found["properties"] = {name: _response_schema(each) for name, each in members.items()}
        found["propertyOrdering"] = list(members)
    if "items" in schema:
        found["items"] = _response_schema(schema["items"])
    return found


def _likely_type(schema: Mapping[str, Any]) -> str:
    return "object" if "properties" in schema else "array" if "items" in schema else "string"
