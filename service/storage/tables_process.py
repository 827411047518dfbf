"""The process behind `tables_apart`: rows go in or out as lines of JSON."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from service.storage.tables import Range, TableSchema, range_batches, write_parquet


def read(wanted: str) -> None:
    """Write the rows of a range of the table that is standard input to standard output."""
    from arro3.io import write_ndjson

    for batch in range_batches(sys.stdin.buffer, Range(**json.loads(wanted))):
        write_ndjson(batch, sys.stdout.buffer, explicit_nulls=True)


def write(path: str, schema: str, metadata: str) -> None:
    """Write the rows of standard input as a table."""
    table = TableSchema(**json.loads(schema))
    write_parquet(_rows(table), Path(path), schema=table, metadata=json.loads(metadata))


def _rows(schema: TableSchema) -> Iterator[dict[str, Any]]:
    times = [name for name, kind in schema.columns.items() if kind == "timestamp"]
    for line in sys.stdin.buffer:
        row = json.loads(line)
        row |= {name: datetime.fromisoformat(row[name]) for name in times if row[name]}
        yield row


_TASKS: Mapping[str, Callable[..., None]] = {"read": read, "write": write}

if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who reads may have enough at any time
    _TASKS[sys.argv[1]](*sys.argv[2:])
