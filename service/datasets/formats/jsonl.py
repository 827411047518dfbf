"""JSON Lines: one object a line."""

import codecs
from collections.abc import Iterator
from typing import IO

from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import JsonParser, SourceRow

_BLOCK_BYTES = 4 << 20
_NOT_AN_OBJECT = 'the line is not a JSON object; write one {"column": "text"} a line'


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
        message = "bytes that are not UTF-8, perhaps cut off inside a character; save as UTF-8"
        context.log.add(number, "wrong_encoding", message)
    except (ValueError, RecursionError):
        context.log.add(number, "invalid_json_row", _NOT_AN_OBJECT)
    else:
        return context.object_row(number, record, repeated=parser.repeated)
    return None


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
    message = f"the line is longer than {context.limits.row_bytes} bytes; shorten or split it"
    context.log.add(number, "line_too_long", message)
