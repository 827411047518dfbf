"""Downloads: attachments, whole or a range of their bytes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from starlette.responses import Response, StreamingResponse

from service.errors import TunecurveError

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
    stored: Stored, *, name: str, content_type: str, wanted: str | None
) -> Response:
    """Answer 200 with all bytes, or 206 with the single range of the header `Range`."""
    size = stored.size_bytes
    part = parse_range(wanted, size) if wanted else None
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
