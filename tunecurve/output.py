"""What commands print: data on standard output, as a table or JSON; messages on standard error."""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from tunecurve.money import with_money_texts
from tunecurve.tables import TextColumn, table_lines

Row = Mapping[str, Any]
Column = Callable[[Row], object]

# What moves a terminal's cursor, colours, or reverses text; a server's words may hold anything.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class OutputFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


def print_message(message: str) -> None:
    """Print a message for people on standard error; standard output stays clean for data."""
    print(printable(message), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return the text with its control characters escaped; line feeds and tabs stay."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_json(data: object) -> None:
    print(printable(json.dumps(data, indent=2, ensure_ascii=False)))


def print_rows(rows: Sequence[Row], columns: Mapping[str, Column], *, output: OutputFormat) -> None:
    """Print objects: as they are in JSON, or as a table of `columns` (heading → cell)."""
    if output is OutputFormat.JSON:
        print_json(list(rows))
    else:
        print(render_table(columns, rows))


def print_object(item: Row, *, output: OutputFormat) -> None:
    """Print one object: as it is in JSON, or one line for each field that is not empty."""
    if output is OutputFormat.JSON:
        print_json(item)
    elif text := object_text(item):
        print(text)


def object_text(item: Row) -> str:
    """Return one line for each field of an object that is not empty."""
    shown = {
        name: _field_text(value) for name, value in item.items() if name not in {"object", "links"}
    }
    width = max((len(name) for name, value in shown.items() if value), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items() if value)


def render_table(columns: Mapping[str, Column], rows: Sequence[Row]) -> str:
    """Return an aligned table; numbers stand right, None is a hyphen.

    It fits the terminal; for a file or another program it is as wide as it is.
    """
    shown = [_text_column(head, [cell(row) for row in rows]) for head, cell in columns.items()]
    return "\n".join(table_lines(shown, _terminal_width()))


def score_text(score: float | None) -> str:
    """Return a score with four significant digits: metrics count to 1 or to 100."""
    return "-" if score is None else f"{score:.4g}"


def interval_text(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{score_text(low)}, {score_text(high)}]"


def share_text(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _text_column(head: str, values: Sequence[object]) -> TextColumn:
    numbers = bool(values) and all(map(_is_number_or_none, values))
    return TextColumn(head, list(map(_cell, values)), numbers)


def _cell(value: object) -> str:
    return "-" if value is None else _one_line(str(value))


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def wrapped(text: str) -> str:
    """Return a text in lines that fit the terminal; in one line for a file or another program."""
    width = _terminal_width()
    if width is None:
        return text
    return textwrap.fill(
        text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _terminal_width() -> int | None:
    """Return how wide the terminal is; None for a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _without_empty(value: object) -> object:
    """Return a value of JSON without members that say nothing: null, and empty texts and lists."""
    match value:
        case dict():
            told = {name: _without_empty(each) for name, each in value.items()}
            return {name: each for name, each in told.items() if each not in (None, "", [], {})}
        case list():
            return [_without_empty(each) for each in value]
        case _:
            return value


def _field_text(value: object) -> str:
    if isinstance(value, dict | list):
        told = with_money_texts(_without_empty(value))
        return printable(json.dumps(told, ensure_ascii=False)) if told else ""
    return "" if value is None else _one_line(str(value))
