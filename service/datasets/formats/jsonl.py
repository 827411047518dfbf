"""JSON Lines: one object a line."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import JsonParser, SourceRow, json_fault

_BLOCK_BYTES = 4 << 20
_ONE_A_LINE = 'write one {"column": "text"} a line'
_IF_A_LIST = "if the file is one JSON list, say `name: json` in the format"


def jsonl_rows(block: bytes, number: int, context: ReadContext) -> Iterator[SourceRow]:
    """Yield the objects of a block of lines, the first of which has the number; note the faults.

    Blank lines are passed over.
    """
    parser = JsonParser()
    for line_number, line in enumerate(block.split(b"\n"), start=number):
        if not line or line.isspace():
            continue
        if len(line) > context.limits.row_bytes:
            note_long_line(line_number, context)
            continue
        row = _row(line_number, line, parser, context)
        if row is not None:
            yield row


def _row(number: int, line: bytes, parser: JsonParser, context: ReadContext) -> SourceRow | None:
    try:
        record = parser.parse(line.removeprefix(codecs.BOM_UTF8).decode())
    except UnicodeDecodeError:
        message = (
            "bytes that are not UTF-8, perhaps cut off inside a character; save as UTF-8, or name "
            "`encoding` in the format"
        )
        context.log.add(number, "wrong_encoding", message)
    except (ValueError, RecursionError) as error:
        context.log.add(number, "invalid_json_row", _fault(line, error))
    else:
        if isinstance(record, list):
            context.log.add(number, "invalid_json_row", f"a list and no object; {_IF_A_LIST}")
            return None
        return context.object_row(number, record, repeated=parser.repeated)
    return None


def _fault(line: bytes, error: Exception) -> str:
    text = line.strip()
    if text.startswith((b"[", b"]")):
        return f"a bracket begins the line; {_IF_A_LIST}"
    if b"\r" in text:
        return f"a carriage return stands where the line should end; {_ONE_A_LINE}"
    place = ""
    if isinstance(error, json.JSONDecodeError):
        if error.msg == "Extra data" and line[error.pos :].strip() == b",":
            return "a comma follows the object; take it out, a line of JSON Lines has none"
        if text.endswith((b"{", b",")) and error.msg != "Extra data":
            return f"the object does not end on its line; {_ONE_A_LINE}"
        place = f"character {error.pos + 1}: "
    return f"not a JSON object: {place}{json_fault(error)}; {_ONE_A_LINE}"


def begins_as_json_lines(path: Path, limit: int) -> bool:
    """Return whether a file begins with an object on one line and another object after it.

    No JSON document does. Lines may have `limit` bytes.
    """
    with path.open("rb") as file:
        first = file.readline(limit + 1).removeprefix(codecs.BOM_UTF8)
        second = file.readline(limit + 1)
    if not second.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def blocks_of(file: IO[bytes], context: ReadContext) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, some 4 MiB at a time, each time with the number of the first.

    A line longer than `row_bytes` is a fault, and where it does not fit a block it is left out.
    """
    number, rest, skipping, first = 1, b"", False, True
    for chunk in iter(lambda: file.read(_BLOCK_BYTES), b""):
        data = rest + chunk
        if first and len(data) >= len(codecs.BOM_UTF8):
            data, first = data.removeprefix(codecs.BOM_UTF8), False
        if skipping:
            end = data.find(b"\n") + 1
            rest, skipping = (data[end:], False) if end else (b"", True)
            number += 1 if end else 0
            continue
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield number, data[:cut]
            number += data.count(b"\n", 0, cut)
        if len(rest) > context.limits.row_bytes:
            note_long_line(number, context)
            rest, skipping = b"", True
    if rest := rest.removeprefix(codecs.BOM_UTF8) if first else rest:
        yield number, rest


def note_long_line(number: int, context: ReadContext) -> None:
    message = (
        f"the line is longer than {context.limits.row_bytes} bytes; shorten or split it, or raise "
        "TUNECURVE_LINE_BYTES_LIMIT"
    )
    context.log.add(number, "line_too_long", message)
