"""Downloads: attachments, whole or a byte range; stored tables as Parquet, JSONL or CSV."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from starlette.responses import Response, StreamingResponse

from service.errors import NotFound, TunecurveError
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema, read_parquet, rows_as_csv, rows_as_jsonl

TableFormat = Literal["jsonl", "csv", "parquet"]
MEDIA_TYPES: dict[TableFormat, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeNotSatisfiable(TunecurveError):  # noqa: N818  named like the kinds of service.errors
    status = 416
    default_code = "range_not_satisfiable"
    title = "No such range"


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes whose size is known: `read(start, end)` yields those before `end`."""

    size_bytes: int
    read: Callable[[int, int], Iterator[bytes]]


def stored_attachment(
    stored: Stored, *, name: str, content_type: str, byte_range: str | None
) -> Response:
    """Answer 200 with all bytes, or 206 with the single range of the header `Range`."""
    size = stored.size_bytes
    part = parse_range(byte_range, size) if byte_range else None
    start, end = part or (0, size)
    response = attachment(stored.read(start, end), name=name, content_type=content_type)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Length"] = str(end - start)
    if part:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def attachment(chunks: Iterator[bytes], *, name: str, content_type: str) -> Response:
    """Answer 200 with bytes that a browser saves and never shows.

    The first chunk is read now: what fails early is an error and not half a file.
    """
    first = next(chunks, b"")
    return StreamingResponse(
        chain([first], chunks),
        media_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        },
    )


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and end (exclusive) of one range, or None where all bytes are to be sent.

    Raises RangeNotSatisfiable. Several ranges at once are answered with all bytes (RFC 9110).
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    if found[1] and found[2] and int(found[2]) < int(found[1]):
        return None
    if start >= end:
        raise RangeNotSatisfiable(f"there are {size} bytes")
    return start, end


def table_rows(key: str, *, store: ObjectStore) -> Iterator[dict[str, Any]]:
    """Yield the rows of a stored table in order, without holding all of them."""
    with store.open(key) as stream:
        yield from read_parquet(stream)


def table_attachment(
    key: str,
    *,
    name: str,
    table_format: TableFormat,
    schema: TableSchema,
    store: ObjectStore,
    byte_range: str | None,
) -> Response:
    """Answer with a table; ranges are of the stored Parquet file only."""
    media_type, file_name = MEDIA_TYPES[table_format], f"{name}.{table_format}"
    if table_format == "parquet":
        return object_attachment(
            key, name=file_name, content_type=media_type, store=store, byte_range=byte_range
        )
    rows = table_rows(key, store=store)
    chunks = (
        rows_as_jsonl(rows)
        if table_format == "jsonl"
        else rows_as_csv(rows, columns=list(schema.columns))
    )
    return attachment(chunks, name=file_name, content_type=media_type)


def object_attachment(
    key: str, *, name: str, content_type: str, store: ObjectStore, byte_range: str | None
) -> Response:
    """Answer with a stored object; raises NotFound `object_not_found`, RangeNotSatisfiable."""
    size = store.size(key)
    if size is None:
        raise NotFound(f"the file of {name} is gone from the store", code="object_not_found")
    stored = Stored(size, lambda start, end: store.chunks(key, start=start, end=end))
    return stored_attachment(stored, name=name, content_type=content_type, byte_range=byte_range)
