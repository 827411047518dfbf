"""Answers held to a response schema, as controlled generation does: one of an enum, or JSON."""

import json
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
}
_EMPTY: Mapping[str, Any] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
}


def constrain(answer: str, schema: Mapping[str, Any]) -> str:
    """Return the answer that comes nearest among those a schema allows.

    An enum at the top is a plain text; all else is JSON. Members that the schema lacks are left
    out, required ones that are missing are null or empty.
    """
    if schema.get("enum") and kind_of(schema) == "string":
        return nearest(answer, schema["enum"])
    try:
        value = json.loads(answer)
    except ValueError:
        value = answer
    return json.dumps(_fitted(value, schema), ensure_ascii=False)


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return the JSON type that a schema asks for, in lower case, null aside; "" for any."""
    given = schema.get("type", "")
    kinds = [given] if isinstance(given, str) else given
    return next((kind.lower() for kind in kinds if kind.lower() != "null"), "")


def nearest(answer: str, options: Sequence[str]) -> str:
    """Return the option most like an answer, equal spelling and case aside; the first of equals."""
    wanted = answer.strip().casefold()
    return max(options, key=lambda option: _similarity(wanted, option.casefold()))


def _similarity(one: str, other: str) -> float:
    return 2.0 if one == other else SequenceMatcher(None, one, other, autojunk=False).ratio()


def _fitted(value: Any, schema: Mapping[str, Any]) -> Any:
    kind = kind_of(schema)
    if (value is None and _allows_null(schema)) or not (kind or schema.get("enum")):
        return value
    if options := schema.get("enum"):
        return value if value in options else nearest(str(value), list(map(str, options)))
    if kind == "object":
        return _members(value if isinstance(value, dict) else {}, schema)
    if kind == "string" and value is not None:
        return value if isinstance(value, str) else str(value)
    fits = isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")
    if kind == "array" and fits:
        return [_fitted(each, schema.get("items", {})) for each in value]
    return value if fits else _EMPTY[kind]


def _allows_null(schema: Mapping[str, Any]) -> bool:
    given = schema.get("type", "")
    return bool(schema.get("nullable")) or (not isinstance(given, str) and "null" in given)


def _members(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    if not properties:
        return dict(value)
    required = set(schema.get("required", ()))
    return {
        key: _fitted(value.get(key), each)
        for key, each in properties.items()
        if key in required or value.get(key) is not None
    }
