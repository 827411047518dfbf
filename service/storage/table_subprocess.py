"""Tables read and written in a subprocess, for the many long-lived worker processes.

Parquet's buffers grow with a table; they are freed with the subprocess. Rows travel as lines of
JSON; this module is both ends of the pipe. Small tables are read and written here: their buffers
are small, too, and a subprocess takes 45 ms of CPU, sixty times the work itself.
"""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import service
from service.errors import Unavailable
from service.storage.tables import (
    Range,
    Row,
    TableSchema,
    range_batches,
    rows_as_jsonl,
    write_parquet,
)

_SMALL_ROWS = 500
_SMALL_BYTES = 64 << 10
_ROOT = Path(service.__file__).resolve().parents[1]


def read_range_in_subprocess(source: IO[bytes], selected: Range) -> Iterator[dict[str, Any]]:
    """Yield the rows of a range in stored order, as JSON has them: times are RFC 3339 texts.

    `source` is a file of the system, open at its start. Raises Unavailable.
    """
    if os.fstat(source.fileno()).st_size <= _SMALL_BYTES:
        yield from map(json.loads, _lines_here(source, selected))
        return
    with _process(["read", json.dumps(asdict(selected))], stdin=source) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        yield from map(json.loads, process.stdout)


def write_parquet_in_subprocess(
    rows: Iterable[Row],
    path: Path,
    *,
    schema: TableSchema,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write rows to a file: the bytes that `write_parquet` writes. Raises Unavailable."""
    lines = rows_as_jsonl(rows)
    head = list(islice(lines, _SMALL_ROWS + 1))
    if len(head) <= _SMALL_ROWS and sum(map(len, head)) <= _SMALL_BYTES:
        write_parquet(_rows(head, schema), path, schema=schema, metadata=metadata)
        return
    arguments = ["write", str(path), json.dumps(asdict(schema)), json.dumps(dict(metadata))]
    with _process(arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101  it is a pipe
        # Of a broken pipe the exit status says more.
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.writelines(chain(head, lines))


def _lines_here(source: IO[bytes], selected: Range) -> IO[bytes]:
    lines = io.BytesIO()
    try:
        _write_lines(source, selected, lines)
    except Exception as error:  # the codec's own, whose words may quote a row
        raise Unavailable("a table was not read to its end", code="table_process_failed") from error
    lines.seek(0)
    return lines


@contextmanager
def _process(
    arguments: Sequence[str], *, stdin: IO[bytes] | int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the process while the block does. Raises Unavailable when it fails by itself."""
    process = subprocess.Popen(  # noqa: S603  our own module, our own arguments
        [sys.executable, "-m", "service.storage.table_subprocess", *arguments],
        cwd=_ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # an exception's message may quote a row
    )
    try:
        yield process
        if status := process.wait():
            message = (
                f"a table was not read or written to its end; its subprocess ended with {status}"
            )
            raise Unavailable(message, code="table_process_failed")
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):  # data left for a process that has ended
                if pipe:
                    pipe.close()


# ------------------------------------------------------------ in the subprocess


def _read(selected: str) -> None:
    """Write the rows of a range of the table that is standard input to standard output."""
    _write_lines(sys.stdin.buffer, Range(**json.loads(selected)), sys.stdout.buffer)


def _write_lines(source: IO[bytes], selected: Range, to: IO[bytes]) -> None:
    from arro3.io import write_ndjson

    for batch in range_batches(source, selected):
        write_ndjson(batch, to, explicit_nulls=True)


def _write(path: str, schema: str, metadata: str) -> None:
    """Write the rows of standard input as a table."""
    table = TableSchema(**json.loads(schema))
    rows = _rows(sys.stdin.buffer, table)
    write_parquet(rows, Path(path), schema=table, metadata=json.loads(metadata))


def _rows(lines: Iterable[bytes], schema: TableSchema) -> Iterator[dict[str, Any]]:
    times = [name for name, kind in schema.columns.items() if kind == "timestamp"]
    for line in lines:
        row = json.loads(line)
        row |= {name: datetime.fromisoformat(row[name]) for name in times if row[name]}
        yield row


_TASKS: Mapping[str, Callable[..., None]] = {"read": _read, "write": _write}

if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the reader may stop at any time
    _TASKS[sys.argv[1]](*sys.argv[2:])
