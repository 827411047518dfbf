"""The subprocess that looks for a text in files: `python -m service.erasure.subjects.file_search`.

The first line of its input is the text, each other one a path, all as JSON; it answers each path
with the number of lines or rows that hold the text, or null where the file cannot be read.
"""

import importlib
import io
import json
import multiprocessing
import sys
from collections.abc import Iterator
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from service.datasets.formats.options import EncodingName
from service.datasets.formats.read_context import IngestionLimits, ReadContext
from service.datasets.ingestion.parquet_subprocess import converted_batches
from service.datasets.ingestion.parquet_worker import convert, leave_out_pandas, limit_process
from service.erasure.subjects.needle import Needle
from service.errors import TunecurveError
from service.files.contents import HEAD_BYTES, wide_encoding

_PARQUET_MAGIC = b"PAR1"
_PIECE_BYTES = 1 << 20
_READERS = ("polars", "pyarrow.compute", "pyarrow.parquet")
_LIMITS = IngestionLimits()
_UNREADABLE = (TunecurveError, OSError, ValueError, EOFError)


def main() -> None:
    needle = Needle(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        try:
            answer = _count(Path(json.loads(line)), needle)
        except _UNREADABLE:
            answer = None
        print(json.dumps(answer), flush=True)  # noqa: T201  the parent reads standard output


def _count(path: Path, needle: Needle) -> int:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if head.startswith(_PARQUET_MAGIC):
            return _count_rows(path, needle)
        wide = wide_encoding(head)
        if wide:
            text = io.TextIOWrapper(file, encoding=wide, errors="replace")
            return sum(needle.is_in(line) for line in _pieces_of_text(text, needle))
        return sum(_holds(line, needle) for line in _pieces(file, needle))


def _count_rows(path: Path, needle: Needle) -> int:
    """Count in a fork, which a hostile file may take along. Raises EOFError where one did.

    A process that imports the readers first would take ten times as long.
    """
    _import_readers()
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)
    reader = fork.Process(target=_send_count, args=(path, needle, sending))
    reader.start()
    sending.close()
    try:
        if not receiving.poll(_LIMITS.parquet_seconds):
            raise TimeoutError
        found: int | None = receiving.recv()
    finally:
        reader.kill()
        reader.join()
        receiving.close()
    if found is None:
        raise EOFError
    return found


@cache
def _import_readers() -> None:
    leave_out_pandas()
    for name in _READERS:
        importlib.import_module(name)


def _send_count(path: Path, needle: Needle, sending: Connection) -> None:
    limit_process(_LIMITS)
    try:
        sending.send(_count_converted(path, needle))
    except (*_UNREADABLE, MemoryError):
        sending.send(None)


def _count_converted(path: Path, needle: Needle) -> int:
    texts = path.with_name("texts.parquet")
    convert(path, texts, ReadContext(limits=_LIMITS))
    count = 0
    for batch in converted_batches(texts):
        columns = [column.to_pylist() for column in batch.columns.values()]
        count += sum(any(map(needle.is_in_value, row)) for row in zip(*columns, strict=True))
    return count


def _pieces(file: IO[bytes], needle: Needle) -> Iterator[bytes]:
    """Yield lines; a long one in pieces, each with the end of the one before."""
    tail = b""
    while line := file.readline(_PIECE_BYTES):
        yield tail + line
        tail = b"" if line.endswith(b"\n") else line[-4 * needle.length :]


def _pieces_of_text(file: IO[str], needle: Needle) -> Iterator[str]:
    tail = ""
    while line := file.readline(_PIECE_BYTES):
        yield tail + line
        tail = "" if line.endswith("\n") else line[-needle.length :]


def _holds(line: bytes, needle: Needle) -> bool:
    """Return whether a line holds the text in UTF-8 or, where it is none, in any encoding."""
    try:
        return needle.is_in(line.decode())
    except UnicodeDecodeError:
        return any(needle.is_in(line.decode(name, "replace")) for name in EncodingName)


if __name__ == "__main__":
    main()
