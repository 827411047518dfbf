"""Bytes cut into lines, never holding more of one than a row may have. Pure."""

import codecs
from collections.abc import Iterator
from typing import IO

from service.datasets.formats.read_context import ReadContext
from service.errors import Fault, Invalid

_BLOCK_BYTES = 4 << 20


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


def text_lines_of(file: IO[str], context: ReadContext) -> Iterator[str]:
    """Yield lines with their ends. Raises Invalid `line_too_long`: what follows is not known."""
    limit = context.limits.row_bytes
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if len(line) > limit:
            message = f"row {number}: a line may hold {limit} bytes; is a quote never closed?"
            fault = Fault(f"row {number}", "line_too_long", message)
            raise Invalid(message, code="line_too_long", faults=[fault])
        yield line
