"""Tables read and written by a process of their own, for processes that live long and are many.

Parquet's code and buffers are 20 MB and more as a table grows; they end with that process.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import service
from service.errors import Unavailable
from service.storage.tables import Range, Row, TableSchema, rows_as_jsonl

_ROOT = Path(service.__file__).resolve().parents[1]
_MODULE = "service.storage.tables_process"


def read_range_apart(source: IO[bytes], wanted: Range) -> Iterator[dict[str, Any]]:
    """Yield the rows of a range in stored order, as JSON has them: times are RFC 3339 texts.

    `source` is a file of the system, open at its start. Raises Unavailable.
    """
    with _process(["read", json.dumps(asdict(wanted))], stdin=source) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        yield from map(json.loads, process.stdout)


def write_parquet_apart(
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
        # Of a pipe that breaks, the process's own end tells more.
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.writelines(rows_as_jsonl(rows))


@contextmanager
def _process(
    arguments: Sequence[str], *, stdin: IO[bytes] | int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the process while the block does. Raises Unavailable when it fails by itself."""
    process = subprocess.Popen(  # noqa: S603  our own module, our own arguments
        [sys.executable, "-m", _MODULE, *arguments],
        cwd=_ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # an exception's words may quote a row
    )
    try:
        yield process
        if status := process.wait():
            message = f"a table was not read or written to its end; its process ended: {status}"
            raise Unavailable(message, code="table_process_failed")
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):  # what was left for a process that is gone
                if pipe:
                    pipe.close()
