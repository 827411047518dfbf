"""The part of Google's filter language that lists take here: comparisons joined by AND."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.errors import GoogleError

Fields = Mapping[str, Callable[[Any], object]]
"""What a filter may name, and how to read it off a resource."""

_VALUE = r'(?:"[^"]*"|[^\s"(),]+)'
_TERM = re.compile(
    rf"(?P<field>\w+)(?:\.(?P<key>[\w-]+))?\s*(?P<operator>!=|=|:)\s*(?P<values>{_VALUE}(?:,{_VALUE})*)"
)
_AND = re.compile(r"\s+AND\s+")
_OR = re.compile(r"\s+OR\s+")


@dataclass(frozen=True, slots=True)
class _Term:
    field: str
    key: str | None
    operator: str
    values: list[str]


def read_filter(expression: str, *, fields: Fields) -> Callable[[Any], bool]:
    """Return the test of `field="value"`, `!=`, `field:"member"`, `labels.key="value"` and `:*`.

    Terms are joined by AND; in parentheses they may be joined by OR.
    Raises GoogleError 400 for anything else: a filter silently ignored would list too much.
    """
    groups = _read_groups(expression.strip(), fields) if expression.strip() else []
    return lambda resource: all(
        any(_fits(fields[term.field](resource), term) for term in group) for group in groups
    )


def _read_groups(text: str, fields: Fields) -> list[list[_Term]]:
    groups, position = [], 0
    while True:
        is_group = text.startswith("(", position)
        terms, position = _read_terms(text, position + is_group, fields, is_group=is_group)
        groups.append(terms)
        if position == len(text):
            return groups
        position = _skip(_AND, text, position, fields)


def _read_terms(
    text: str, position: int, fields: Fields, *, is_group: bool
) -> tuple[list[_Term], int]:
    terms = []
    while True:
        found = _TERM.match(text, position)
        if found is None or found["field"] not in fields:
            raise _unreadable(fields)
        values = [value.strip('"') for value in re.findall(_VALUE, found["values"])]
        terms.append(_Term(found["field"], found["key"], found["operator"], values))
        position = found.end()
        if not is_group:
            return terms, position
        if text.startswith(")", position):
            return terms, position + 1
        position = _skip(_OR, text, position, fields)


def _skip(word: re.Pattern[str], text: str, position: int, fields: Fields) -> int:
    found = word.match(text, position)
    if found is None:
        raise _unreadable(fields)
    return found.end()


def _unreadable(fields: Fields) -> GoogleError:
    known = ", ".join(sorted(fields))
    return GoogleError(400, f"Invalid filter; known: =, !=, :, AND and the fields {known}.")


def _fits(value: object, term: _Term) -> bool:
    if term.key is not None:
        value = value.get(term.key) if isinstance(value, Mapping) else None
    if term.operator == ":":
        return _holds(value, term.values)
    is_equal = value is not None and str(value) in term.values
    return is_equal == (term.operator == "=")


def _holds(value: object, members: Collection[str]) -> bool:
    if value is None:
        return False
    if "*" in members:
        return True
    held = value if isinstance(value, list | tuple | Mapping) else [str(value)]
    return any(item in held for item in members)
