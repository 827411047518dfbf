"""What a target must be where the task says so: a label of a set, or JSON of a schema. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from service.datasets.examples import fold
from service.datasets.presets.preset import RowProblem

_DEPTH = 16
_TYPES: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "object": lambda value: isinstance(value, dict),
        "array": lambda value: isinstance(value, list),
        "string": lambda value: isinstance(value, str),
        "boolean": lambda value: isinstance(value, bool),
        "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "null": lambda value: value is None,
    }
)
_KEYWORDS = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "items", "enum"),
        *("title", "description"),
    }
)


def check_schema(schema: Any, *, depth: int = 0) -> None:
    """Raise ValueError for a schema that says more than is understood here."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        raise ValueError(f"a schema is an object, nested {_DEPTH} deep at most")
    if unknown := sorted(schema.keys() - _KEYWORDS):
        known = ", ".join(sorted(_KEYWORDS))
        raise ValueError(f"{len(unknown)} keywords are not known; known: {known}")
    if not set(_types(schema)) <= _TYPES.keys():
        raise ValueError(f"`type` is one of {', '.join(_TYPES)}, or a list of them")
    if not isinstance(schema.get("required", []), list):
        raise ValueError("`required` is a list of names")  # noqa: TRY004  pydantic wants ValueError
    if not isinstance(schema.get("properties", {}), dict):
        raise ValueError("`properties` is an object of schemas")  # noqa: TRY004  the same
    if not isinstance(schema.get("additionalProperties", True), bool):
        raise ValueError("`additionalProperties` is true or false")  # noqa: TRY004  the same
    for each in schema.get("properties", {}).values():
        check_schema(each, depth=depth + 1)
    if "items" in schema:
        check_schema(schema["items"], depth=depth + 1)


def _types(schema: Mapping[str, Any]) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(map(str, given))


def mismatches(value: Any, schema: Mapping[str, Any], *, at: str = "") -> Iterator[str]:
    """Yield what is wrong with a value, by the place of it and never by what it is."""
    place = at or "the target"
    kinds = _types(schema)
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        yield f"{place} is no {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is none of the {len(schema['enum'])} values allowed"
    if isinstance(value, dict):
        yield from _members(value, schema, at)
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from mismatches(each, schema["items"], at=f"{at}/{index}")


def _members(value: dict[str, Any], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    properties: dict[str, Any] = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}/{name} is missing"
    if schema.get("additionalProperties") is False and value.keys() - properties.keys():
        yield f"{at or 'the target'} has members that are not in the schema"
    for name, each in properties.items():
        if name in value:
            yield from mismatches(value[name], each, at=f"{at}/{name}")


def label_of(given: str, spelled: Mapping[str, str]) -> str | RowProblem:
    """Return a label as the set spells it, by its folded spelling; an empty one stays empty."""
    if not given.strip():
        return ""
    label = spelled.get(fold(given))
    if label is not None:
        return label
    message = f"the label is none of the {len(spelled)} there are; mend it or add it to them"
    return RowProblem("unknown_label", message)


def json_target(given: str, schema: Mapping[str, Any] | None) -> str | RowProblem:
    """Return a target as one line of JSON, members in their order, or what is wrong with it.

    An empty one stays empty. Codes: `target_not_json`, `target_not_as_schema`.
    """
    if not given.strip():
        return ""
    try:
        value = json.loads(given)
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return RowProblem("target_not_json", "the target is not JSON; mend or quote it")
    wrong = "; ".join(islice(mismatches(value, schema or {}), 3))
    if wrong:
        return RowProblem("target_not_as_schema", f"{wrong}; mend the target or the schema")
    return line
