"""The files of a batch: requests as JSONL, and answers found again by our own key."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from service.inference.generators.answers import read_answer
from service.inference.generators.bodies import body_of
from service.inference.ports import Generation, GenerationRequest

_SPOOL_BYTES = 16 << 20  # more than this is kept in a temporary file, not in memory


def request_lines(requests: Iterable[GenerationRequest]) -> Iterator[bytes]:
    """Yield one line a request. What stands beside `request` comes back with the answer."""
    for request in requests:
        line = {"key": request.key, "request": body_of(request)}
        yield json.dumps(line).encode() + b"\n"  # ASCII: half a surrogate pair is no UTF-8


class BatchAnswers:
    """Answers of a batch, in whatever order they came: only their places are held in memory."""

    def __init__(self, lines: Iterable[bytes], copy: IO[bytes]) -> None:
        self._copy = copy
        self._places: dict[str, int] = {}
        for line in lines:
            key = _document(line).get("key")
            if isinstance(key, str):
                self._places[key] = copy.tell()
                copy.write(line.rstrip(b"\n") + b"\n")

    def find(self, key: str) -> Generation | None:
        """Return what a request got; None for one that is not there or was refused by itself."""
        if key not in self._places:
            return None
        self._copy.seek(self._places[key])
        return _read(_document(self._copy.readline()))


@contextmanager
def open_answers(lines: Iterable[bytes]) -> Iterator[BatchAnswers]:
    """Read all lines of an output once; a damaged one is as good as missing."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as copy:
        yield BatchAnswers(lines, copy)


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _read(document: dict[str, Any]) -> Generation | None:
    """A row's `status` is empty, or the error it ended with: then nothing is said of its answer."""
    response = document.get("response")
    if document.get("status") or not isinstance(response, dict) or not response:
        return None
    return read_answer(response)
