"""One row of a source, whatever its format, and the JSON values it is made of."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """`number` counts from 1; values that are no text are given as JSON."""

    number: int
    fields: Mapping[str, str]


def is_unicode(text: str) -> bool:
    """Return whether text is free of lone surrogates, which JSON can write and UTF-8 cannot."""
    return text.isascii() or not _LONE_SURROGATE.search(text)


def as_text(value: Any) -> str:
    """Return a JSON value as a field: text as it is, null as nothing, the rest as JSON.

    Raises ValueError for a number that JSON cannot write.
    """
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)


def depth_of(value: Any, *, limit: int) -> int:
    """Return the nesting depth of lists and objects, or `limit` + 1 if it is more than that."""
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        if depth > limit:
            return depth
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


class RepeatedMembers(dict[str, Any]):
    """An object that names the members `twice` several times, of which it has the last."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.twice = frozenset(name for name, count in counts.items() if count > 1)


def has_repeated(value: Any) -> bool:
    """Return whether a parsed value holds an object that names a member twice."""
    level = [value]
    while level:
        if any(isinstance(each, RepeatedMembers) for each in level):
            return True
        level = [child for each in level for child in _children(each)]
    return False


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def json_fault(error: Exception, *, first_line: int | None = None) -> str:
    """Return why a text is not JSON, and on which line of a file, without any of the text.

    `first_line` is the number of the text's first line; None leaves lines out.
    """
    if isinstance(error, RecursionError):
        return "lists and objects lie too deep; flatten them"
    if not isinstance(error, json.JSONDecodeError):
        return "a number has too many digits; write it as a text"
    why = next((why for begin, why in _JSON_FAULTS if error.msg.startswith(begin)), "not JSON")
    return why if first_line is None else f"line {first_line + error.lineno - 1}: {why}"


# What Python's messages begin with, in words that say what to mend.
_JSON_FAULTS = (
    ("Expecting property name", "a name is not in double quotes, or a comma is too many"),
    ("Illegal trailing comma", "a comma is too many"),
    ("Expecting ',' delimiter", "a comma is missing, or a quote in a text lacks its backslash"),
    ("Expecting ':' delimiter", "a colon is missing after a name"),
    ("Invalid control character", "a line end or a tab stands in a text; write \\n or \\t"),
    ("Unterminated string", "a quote is not closed"),
    ("Invalid \\", "a backslash in a text is not doubled"),
    ("Expecting value", "a value is missing or is not JSON, such as None or a text without quotes"),
    ("Extra data", "something follows the value"),
)


def _integer(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:
        return math.inf


class JsonParser:
    """Parses JSON; `repeated` is true if the last value names a member twice."""

    def __init__(self) -> None:
        self.repeated = False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._members)
        self._lenient = json.JSONDecoder(object_pairs_hook=self._members, parse_int=_integer)

    def parse(self, text: str) -> Any:
        """Return the value; raises ValueError, RecursionError.

        A number of more digits than Python reads is infinite, and so a fault where it is used.
        """
        self.repeated = False
        try:
            return self._decoder.decode(text)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return self._lenient.decode(text)

    def scan(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value that begins at `start` and where it ends; raises like `parse`."""
        self.repeated = False
        try:
            return self._decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return self._lenient.raw_decode(text, start)

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            self.repeated = True
            return RepeatedMembers(pairs)
        return members
