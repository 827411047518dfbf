"""Tables read and written in a subprocess, for the many long-lived worker processes.

Parquet's code and buffers take 20 MB, more as a table grows; they are freed with the subprocess.
Rows travel as lines of JSON; this module is both ends of the pipe.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
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

_ROOT = Path(service.__file__).resolve().parents[1]


def read_range_in_subprocess(source: IO[bytes], selected: Range) -> Iterator[dict[str, Any]]:
    """Yield the rows of a range in stored order, as JSON has them: times are RFC 3339 texts.

    `source` is a file of the system, open at its start. Raises Unavailable.
    """
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
    arguments = ["write", str(path), json.dumps(asdict(schema)), json.dumps(dict(metadata))]
    with _process(arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101  it is a pipe
        # Of a broken pipe the exit status says more.
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.writelines(rows_as_jsonl(rows))


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
    from arro3.io import write_ndjson

    for batch in range_batches(sys.stdin.buffer, Range(**json.loads(selected))):
        write_ndjson(batch, sys.stdout.buffer, explicit_nulls=True)


def _write(path: str, schema: str, metadata: str) -> None:
    """Write the rows of standard input as a table."""
    table = TableSchema(**json.loads(schema))
    write_parquet(_rows(table), Path(path), schema=table, metadata=json.loads(metadata))


def _rows(schema: TableSchema) -> Iterator[dict[str, Any]]:
    times = [name for name, kind in schema.columns.items() if kind == "timestamp"]
    for line in sys.stdin.buffer:
        row = json.loads(line)
        row |= {name: datetime.fromisoformat(row[name]) for name in times if row[name]}
        yield row


_TASKS: Mapping[str, Callable[..., None]] = {"read": _read, "write": _write}

if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the reader may stop at any time
    _TASKS[sys.argv[1]](*sys.argv[2:])
