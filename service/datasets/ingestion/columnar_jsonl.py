"""JSON Lines of plain texts, read by columns, five times as fast, where the result is the same."""

import json
from typing import Any

from service.datasets.formats.read_context import ReadContext
from service.datasets.ingestion.batches import Batch

# A lone surrogate as an escape, and escapes after which quotes cannot be counted.
_UNSAFE = (b"\\ud", b"\\uD", b"\\\\", b'\\":"', b'\\": "')


def columnar_batch(block: bytes, number: int, context: ReadContext) -> Batch | None:
    """Return the rows of a block of lines, or None where it must be read line by line.

    Polars takes the first of two equal members, converts numbers to texts and drops lone
    surrogates. So a block qualifies only if counting proves that every line has the first one's
    members and each of them is a text: with no doubled backslash in it, unescaped quotes can be
    counted, a member has two or four, and a text is preceded by a colon between two.
    """
    names = _names(block.partition(b"\n")[0])
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    if not names or not _is_plain(block, members=len(names) * lines):
        return None
    if _longest_line(block) > context.limits.row_bytes:
        return None
    frame = _parsed(block, names)
    if frame is None or frame.height != lines or any(frame.null_count().row(0)):
        return None
    context.add_columns(names)
    needed = frame.select(filter(context.needs, names))
    return Batch(range(number, number + lines), _columns(needed))


def _names(line: bytes) -> list[str]:
    """Return the members of the first line, none where one is no text or has no name."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(record, dict) or not all(isinstance(each, str) for each in record.values()):
        return []
    return list(record) if all(record) else []


def _is_plain(block: bytes, *, members: int) -> bool:
    escapes = b"\\" in block
    if escapes and any(mark in block for mark in _UNSAFE):
        return False
    quotes = block.count(b'"') - (block.count(b'\\"') if escapes else 0)
    texts = block.count(b'":"') + block.count(b'": "')
    return quotes == 4 * members and texts == members and _is_utf8(block)


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _longest_line(block: bytes) -> int:
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    return int(np.diff(ends, prepend=-1, append=len(block)).max()) - 1


def _parsed(block: bytes, names: list[str]) -> Any:
    import polars as pl

    try:
        return pl.read_ndjson(block, schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError:
        return None


def _columns(frame: Any) -> dict[str, Any]:
    import pyarrow as pa

    table = frame.to_arrow().combine_chunks()
    return {
        name: table.column(name).combine_chunks().cast(pa.string()) for name in table.column_names
    }
