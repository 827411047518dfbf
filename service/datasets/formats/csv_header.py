"""What a CSV file says before its rows: its format, its delimiter, and the names of columns."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from service.datasets.formats.options import FormatName
from service.datasets.formats.read_context import ReadContext
from service.errors import Fault, Invalid

_DELIMITERS = (",", "\t", ";", "|")
_PLACES_SHOWN = 10
_DELIMITER_LINE = re.compile(r"\ufeff?\"?sep *= *([^\w\s\\]|\t|\\t)\"?[,;|\t]*\s*", re.IGNORECASE)
_RULE_OF_MARKDOWN = re.compile(r"\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?")
_WEB_PAGE = re.compile(r"<(?:!doctype|html|\?xml|table|head|body)", re.IGNORECASE)
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff"
_SHAPED = 100  # characters of a text


def refuse_other_formats(head: Sequence[str], context: ReadContext) -> None:
    first = head[0].removeprefix("\ufeff").strip() if head else ""
    if _WEB_PAGE.match(first):
        message = "the file is a web page or XML, as some tools name a table; save it as CSV"
        raise Invalid(message, code="not_a_table")
    if len(head) > 1 and _RULE_OF_MARKDOWN.fullmatch(head[1]):
        message = "the file is a table in Markdown, with a line of dashes; save it as CSV"
        raise Invalid(message, code="not_a_table")
    if context.options.columns or not first.startswith(("{", "[")):
        return
    begins_list = first == "[" and len(head) > 1 and head[1].lstrip().startswith("{")
    if begins_list or _is_json(first.removesuffix(",")):
        name = "jsonl" if first.startswith("{") else "json"
        raise Invalid(f"the file is JSON; say `name: {name}` in the format", code="not_a_table")


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        return False


def _delimiter_line(head: list[str], context: ReadContext) -> str:
    """Take Excel's first line `sep=;` out of the head and return its delimiter, or nothing."""
    found = _DELIMITER_LINE.fullmatch(head[0]) if head else None
    if found is None:
        return ""
    del head[0]
    delimiter = "\t" if found[1] == "\\t" else found[1]
    if context.options.delimiter is None and delimiter not in _DELIMITERS:
        message = "the first line names a delimiter that is none of , ; | and tab; write it anew"
        raise Invalid(message, code="unknown_delimiter")
    return context.options.delimiter or delimiter


def delimiter_of(head: list[str], context: ReadContext) -> str:
    """Return the delimiter of a file whose first lines these are; takes out the line `sep=;`."""
    return _delimiter_line(head, context) or _delimiter(context, head)


def _delimiter(context: ReadContext, head: Sequence[str]) -> str:
    options = context.options
    if options.delimiter:
        return options.delimiter
    return "\t" if options.name is FormatName.TSV else _detect_delimiter(head)


def _detect_delimiter(head: Sequence[str]) -> str:
    """Return the delimiter that gives the most cells in the first lines, equally many in each."""
    return max(_DELIMITERS, key=lambda each: _evenness(head, each))


def _evenness(head: Sequence[str], delimiter: str) -> tuple[bool, int, int]:
    """Return whether all records have the header's width, how many have, and that width."""
    widths: list[int] = []
    try:
        for cells in csv.reader(head, delimiter=delimiter):
            widths += [len(cells)] if cells else []
    except csv.Error:  # a record that cannot be read: those before it count
        widths.append(0)
    if not widths or widths[0] < 2:  # noqa: PLR2004  one cell: nothing was delimited
        return False, 0, 0
    equal_widths = widths.count(widths[0])
    # The last record of the sample may be cut off.
    return equal_widths >= len(widths) - 1, equal_widths, widths[0]


def read_header(
    records: Iterator[list[str] | None], lines: Sequence[str], context: ReadContext
) -> list[str]:
    cells = next(records, [])
    if cells is None:
        message = "the header's quotes are wrong; double the quotes inside a quoted name"
        if has_lone_return(lines):
            message = "some lines end in a carriage return alone and others do not; save it anew"
        raise Invalid(message, code="invalid_header")
    names = [name.strip().strip(_INVISIBLE).strip() for name in cells]
    if len(names) == 1 and any(each in names[0] for each in (",", ";", "\t")):
        message = (
            "the header is one cell that holds delimiters: take the quotes around whole lines "
            "out, or name the `delimiter` in the format"
        )
        raise Invalid(message, code="invalid_header")
    if any("\0" in name for name in names):
        message = "the header holds NUL characters, as UTF-16 read wrong does; save it as UTF-8"
        raise Invalid(message, code="invalid_header")
    if not any(names):
        raise Invalid("the file has no header", code="missing_header")
    if len(names) == 1 and any(each in names[0] for each in _others(names, context)):
        message = (
            "the header is one cell: its delimiter is none of , ; | and tab; write it with one"
        )
        raise Invalid(message, code="invalid_header")
    counts = Counter(name for name in names if name and context.needs(name))
    twice = [str(at) for at, name in enumerate(names, start=1) if counts[name] > 1]
    if twice:
        places = ", ".join(twice[:_PLACES_SHOWN])
        message = f"the header names a column twice, at {places}; rename or delete one of them"
        fault = Fault("row 0", "duplicate_column", message)
        raise Invalid(message, code="duplicate_column", faults=[fault])
    return names


def _others(names: Sequence[str], context: ReadContext) -> frozenset[str]:
    return frozenset() if context.needed is None or names[0] in context.needed else context.needed


def refuse_single_quotes(head: Sequence[str], delimiter: str, context: ReadContext) -> None:
    """Raise Invalid `single_quotes` where each row stands in them, cell by cell."""
    rows = [line.rstrip("\r\n") for line in head[1:] if not line.isspace()]
    quoted = re.compile(rf"\s*'.*'\s*{re.escape(delimiter)}\s*'.*'\s*")
    if rows and context.options.quoting and all(map(quoted.fullmatch, rows)):
        message = "cells stand in single quotes, which would be taught; write double quotes"
        raise Invalid(message, code="single_quotes")


def is_spaced(head: Sequence[str], delimiter: str) -> bool:
    """Return whether each delimiter of the first line is followed by a space."""
    first = head[0] if head else ""
    return first.count(delimiter) == first.count(f"{delimiter} ") > 0


def has_lone_return(lines: Sequence[str]) -> bool:
    return any("\r" in line.rstrip("\r\n") for line in lines)


class ResemblingNames:
    """Notes names of columns that look as what their column holds: the header may be data."""

    def __init__(self, header: Sequence[str], context: ReadContext) -> None:
        self._header = [(name, _shape(name)) for name in header]
        self._noted = context.names_like_cells

    def add(self, cells: Sequence[str]) -> None:
        for (name, shape), cell in zip(self._header, cells, strict=False):
            if name and shape == _shape(cell):
                self._noted.add(name)


def _shape(text: str) -> str:
    """Return which kinds of characters a short text is made of, in order, runs as one."""
    kinds = (
        "A" if c.isupper() else "a" if c.isalpha() else "0" if c.isdigit() else c
        for c in text[:_SHAPED]
    )
    return "".join(kind for kind, _ in groupby(kinds))
