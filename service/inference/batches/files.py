"""The files of a batch: requests as JSONL, and answers found by the request's key."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from service.inference.generators.messages import body_of, read_answer
from service.inference.ports import Generation, GenerationRequest

_SPOOL_BYTES = 16 << 20  # larger outputs are spooled to a temporary file


def request_lines(requests: Iterable[GenerationRequest]) -> Iterator[bytes]:
    """Yield one line a request. The provider returns all other members with the answer."""
    for request in requests:
        line = {"key": request.key, "request": body_of(request)}
        yield json.dumps(line).encode() + b"\n"  # ASCII: half a surrogate pair is no UTF-8


class BatchAnswers:
    """Answers of a batch, in any order; memory holds only their offsets in the file."""

    def __init__(self, lines: Iterable[bytes], copy: IO[bytes]) -> None:
        self._copy = copy
        self._offsets: dict[str, int] = {}
        for line in lines:
            key = _document(line).get("key")
            if isinstance(key, str):
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
    response = document.get("response")
    if document.get("status") or not isinstance(response, dict) or not response:
        return None
    return read_answer(response)
