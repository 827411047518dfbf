"""Rows as files: Parquet is canonical, JSONL and CSV are derived from it."""

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal

from service.clock import rfc3339

ColumnType = Literal["string", "strings", "int64", "float64", "bool", "timestamp"]
Row = Mapping[str, Any]

# Rows in memory at once, and in a row group: readers of a range skip the groups outside it.
_BATCH_ROWS = 1000
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class TableSchema:
    """Columns in order, named in snake_case; `version` rises when their meaning changes.

    `strings` is a list of strings, `timestamp` an aware time kept in UTC microseconds.
    """

    columns: Mapping[str, ColumnType]
    version: int = 1

    def __post_init__(self) -> None:
        for name in self.columns:
            if not _SNAKE_CASE.fullmatch(name):
                raise ValueError(f"the column {name!r} is not in snake_case")


def write_parquet(
    rows: Iterable[Row],
    path: Path,
    *,
    schema: TableSchema,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Write rows to a file and return how many; the same rows give the same bytes.

    The file's metadata are those given and `schema_version`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    names = list(schema.columns)
    arrow = arrow_schema(schema, metadata)
    count = 0
    with parquet.ParquetWriter(path, arrow, compression="zstd") as writer:
        for batch in _batches(rows):
            columns = {name: [row[name] for row in batch] for name in names}
            writer.write_table(pa.table(columns, schema=arrow))
            count += len(batch)
    return count


def arrow_schema(schema: TableSchema, metadata: Mapping[str, str]) -> Any:
    """Return the Arrow schema of a file with these metadata and `schema_version`."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "strings": pa.list_(pa.string()),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    fields = [pa.field(name, types[kind]) for name, kind in schema.columns.items()]
    noted = {**metadata, "schema_version": str(schema.version)}
    return pa.schema(fields, metadata=dict(sorted(noted.items())))


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while batch := list(itertools.islice(remaining, _BATCH_ROWS)):
        yield batch


def read_parquet(
    source: Path | IO[bytes], *, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file in stored order, without holding all of them."""
    from pyarrow import parquet

    # With its buffers ahead, it would keep all it has read.
    with parquet.ParquetFile(source, pre_buffer=False) as file:
        wanted = None if columns is None else list(columns)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
            yield from batch.to_pylist()


def parquet_metadata(source: Path | IO[bytes]) -> dict[str, str]:
    """Return the file's own metadata, such as `schema_version`."""
    from pyarrow import parquet

    stored = parquet.read_schema(source).metadata
    return {key.decode(): value.decode() for key, value in stored.items()}


def rows_as_jsonl(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield one line of JSON for each row; times are RFC 3339."""
    for row in rows:
        text = json.dumps(dict(row), ensure_ascii=False, separators=(",", ":"), default=_plain)
        yield text.encode() + b"\n"


def rows_as_csv(rows: Iterable[Row], *, columns: Sequence[str]) -> Iterator[bytes]:
    """Yield a header and one record for each row; lists and objects are JSON in a cell.

    A text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    if rest := buffer.getvalue():
        yield rest.encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=_plain)
    elif isinstance(value, datetime):
        value = rfc3339(value)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} does not go into JSON")
