"""The files of a batch: requests as JSONL, and answers found by the request's key."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from service.errors import Invalid
from service.files.compression import expanded, refuse_archives
from service.files.contents import with_head
from service.inference.generators.messages import body_of, read_answer
from service.inference.ports import Generation, GenerationRequest

_SPOOL_BYTES = 16 << 20  # larger outputs are spooled to a temporary file
_FILE_BYTES_LIMIT = 1 << 40  # the provider's own, and no bomb


def request_lines(requests: Iterable[GenerationRequest]) -> Iterator[bytes]:
    """Yield one line a request. The provider returns all other members with the answer."""
    for request in requests:
        line = {"key": request.key, "request": body_of(request)}
        yield json.dumps(line).encode() + b"\n"  # ASCII: half a surrogate pair is no UTF-8


def output_lines(
    files: Iterable[Iterable[bytes]], *, on_unreadable: Callable[[Invalid], None]
) -> Iterator[bytes]:
    """Yield the lines of all files of an output, packed (gzip, Zstandard) or not.

    An object may hold a packed file, and be packed itself (`Content-Encoding: gzip`). A file that
    is damaged or packed otherwise ends there, and `on_unreadable` is told why.
    """
    for pieces in files:
        try:
            once = expanded(pieces, limit_bytes=_FILE_BYTES_LIMIT)
            head, whole = with_head(expanded(once, limit_bytes=_FILE_BYTES_LIMIT))
            refuse_archives(head)
            yield from _lines(whole)
        except Invalid as error:
            on_unreadable(error)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


class BatchAnswers:
    """Answers of a batch, in any order; memory holds only their offsets in the file."""

    def __init__(self, lines: Iterable[bytes], copy: IO[bytes]) -> None:
        self._copy = copy
        self._offsets: dict[str, int] = {}
        for line in lines:
            document = _document(line)
            key = document.get("key")
            # Of several lines about a request an answer counts, wherever an error stands.
            if isinstance(key, str) and (key not in self._offsets or _is_answer(document)):
                self._offsets[key] = copy.tell()
                copy.write(line.rstrip(b"\n") + b"\n")

    def find(self, key: str) -> Generation | None:
        """Return the answer to a request; None where it is missing or ended with an error."""
        if key not in self._offsets:
            return None
        self._copy.seek(self._offsets[key])
        return _read(_document(self._copy.readline()))


@contextmanager
def open_answers(lines: Iterable[bytes]) -> Iterator[BatchAnswers]:
    """Read all lines of an output once; a damaged line counts as missing."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as copy:
        yield BatchAnswers(lines, copy)


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _read(document: dict[str, Any]) -> Generation | None:
    """Return a row's answer; None when its `status` holds an error."""
    return read_answer(document["response"]) if _is_answer(document) else None


def _is_answer(document: dict[str, Any]) -> bool:
    response = document.get("response")
    return not document.get("status") and isinstance(response, dict) and bool(response)
