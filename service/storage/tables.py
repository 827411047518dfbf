"""Rows as files: Parquet is canonical, JSONL and CSV are derived from it.

Read and written by arro3, which costs a worker a quarter of pyarrow's memory (decision 0022).
"""

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Literal

from service.clock import rfc3339

if TYPE_CHECKING:
    from arro3.core import Array, DataType, RecordBatch, Schema

ColumnType = Literal["string", "strings", "int64", "float64", "floats", "bool", "timestamp"]
Row = Mapping[str, Any]

_BATCH_ROWS = 1000  # in memory at once, and in a row group
_ROWS_READ_AT_ONCE = 250
_EPOCH, _MICROSECOND = datetime.fromtimestamp(0, UTC), timedelta(microseconds=1)
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")
# What OWASP lists under "CSV Injection", with the full-width forms; spaces before do not help.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class TableSchema:
    """Columns in order, named in snake_case; `version` rises when their meaning changes.

    `strings` is a list of strings, `timestamp` an aware time in UTC microseconds, `floats` an
    object of numbers or nulls, whose names are the column's `members`.
    """

    columns: Mapping[str, ColumnType]
    version: int = 1
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)

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

    The metadata of its Arrow schema are those given and `schema_version`; the file's own hold the
    latter, too.
    """
    from arro3.core import RecordBatchReader
    from arro3.io import write_parquet as write

    entries = file_metadata(schema, metadata)
    arrow = _arrow_schema(schema, entries)
    reader = _BatchReader(rows, schema, arrow)
    try:
        write(
            RecordBatchReader.from_batches(arrow, reader.batches()),
            path,
            compression="zstd(1)",
            max_row_group_size=_BATCH_ROWS,
            # More entries would be written in an arbitrary order.
            key_value_metadata={"schema_version": entries["schema_version"]},
        )
    except Exception:
        if reader.error:
            raise reader.error from None
        raise
    return reader.count


def file_metadata(schema: TableSchema, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return a file's metadata: those given and `schema_version`, by name."""
    return dict(sorted({**metadata, "schema_version": str(schema.version)}.items()))


class _BatchReader:
    """Rows as Arrow batches. Arrow wraps exceptions in its own; `error` is the original."""

    def __init__(self, rows: Iterable[Row], schema: TableSchema, arrow: "Schema") -> None:
        self._rows, self._columns, self._arrow = iter(rows), schema.columns, arrow
        self._members = schema.members
        self.count = 0
        self.error: BaseException | None = None

    def batches(self) -> Iterator["RecordBatch"]:
        try:
            while rows := list(itertools.islice(self._rows, _BATCH_ROWS)):
                yield self._batch(rows)
                self.count += len(rows)
        except BaseException as error:
            self.error = error
            raise

    def _batch(self, rows: Sequence[Row]) -> "RecordBatch":
        from arro3.core import RecordBatch

        arrays = [
            _array([row[name] for row in rows], kind, self._members.get(name, ()))
            for name, kind in self._columns.items()
        ]
        return RecordBatch.from_arrays(arrays, schema=self._arrow)


def _arrow_schema(schema: TableSchema, metadata: Mapping[str, str]) -> "Schema":
    from arro3.core import Field, Schema

    fields = [
        Field(name, _type(kind, schema.members.get(name, ())))
        for name, kind in schema.columns.items()
    ]
    return Schema(fields, metadata=dict(metadata))


def _type(kind: ColumnType, members: Sequence[str] = ()) -> "DataType":
    from arro3.core import DataType, Field

    types: Mapping[ColumnType, Callable[[], DataType]] = {
        "string": DataType.utf8,
        "strings": lambda: DataType.list(Field("item", DataType.utf8())),
        "int64": DataType.int64,
        "float64": DataType.float64,
        "floats": lambda: DataType.struct([Field(name, DataType.float64()) for name in members]),
        "bool": DataType.bool,
        "timestamp": lambda: DataType.timestamp("us", tz="UTC"),
    }
    return types[kind]()


def _array(values: Sequence[Any], kind: ColumnType, members: Sequence[str] = ()) -> "Array":
    from arro3.core import Array, DataType, Field, list_array, struct_array

    match kind:
        case "floats":
            columns = [
                Array([value[name] for value in values], DataType.float64()) for name in members
            ]
            fields = [Field(name, DataType.float64()) for name in members]
            return struct_array(columns, fields=fields)
        case "strings":
            ends = itertools.accumulate(map(len, values), initial=0)
            words = list(itertools.chain.from_iterable(values))
            offsets = Array(list(ends), DataType.int32())
            return list_array(offsets, Array(words, DataType.utf8()), type=_type(kind))
        case "timestamp":
            since = [
                None if value is None else (value - _EPOCH) // _MICROSECOND for value in values
            ]
            return Array(since, DataType.int64()).cast(_type(kind))
        case _:
            return Array(values, _type(kind))


def read_parquet(
    source: Path | IO[bytes], *, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file in stored order, without holding all of them.

    `columns` selects some; one that the file does not have is left out.
    """
    for batch in _read_batches(source):
        names = [name for name in batch.column_names if columns is None or name in columns]
        values = [batch.column(name).to_pylist() for name in names]
        for row in zip(*values, strict=True):
            yield dict(zip(names, row, strict=True))


@dataclass(frozen=True, slots=True)
class Range:
    """The rows whose `column` is `value`, those whose `order` is from `first` to before `last`.

    Such rows are stored one after the other, and their `order` rises.
    """

    column: str
    value: str
    order: str
    first: int = 0
    last: int | None = None


def range_batches(source: Path | IO[bytes], selected: Range) -> Iterator["RecordBatch"]:
    """Yield the rows of a range in stored order, as Arrow batches; reads no batch after it."""
    for batch in _read_batches(source):
        values, orders = (
            batch.column(name).to_pylist() for name in (selected.column, selected.order)
        )
        places = [
            place
            for place, (value, order) in enumerate(zip(values, orders, strict=True))
            if value == selected.value and order >= selected.first
        ]
        within = [
            place for place in places if selected.last is None or orders[place] < selected.last
        ]
        if within:
            yield batch.slice(within[0], len(within))
        if len(within) < len(places):
            return


def range_rows(source: Path | IO[bytes], selected: Range) -> Iterator[dict[str, Any]]:
    """Yield the rows of a range in stored order; what stands before it is not made into rows."""
    for batch in range_batches(source, selected):
        values = [batch.column(name).to_pylist() for name in batch.column_names]
        for row in zip(*values, strict=True):
            yield dict(zip(batch.column_names, row, strict=True))


def _read_batches(source: Path | IO[bytes]) -> Iterator["RecordBatch"]:
    from arro3.io import read_parquet as read

    return iter(read(source, batch_size=_ROWS_READ_AT_ONCE))


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
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} does not go into JSON")
