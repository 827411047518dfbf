"""Writes batches of texts to one Parquet file; columns may appear late, and rows are hashed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from service.datasets.formats.arrow_arrays import number_array

_ZEROS = 1 << 20


class RowsDigest:
    """SHA-256 over each column's lengths and bytes, then over the columns in order of names.

    Null counts as the empty text, since not every format distinguishes them.
    """

    def __init__(self) -> None:
        self._columns: dict[str, tuple[hashlib._Hash, hashlib._Hash]] = {}
        self._rows = 0

    def update(self, columns: Mapping[str, Any], *, rows: int) -> None:
        """Add a batch: Arrow arrays of strings by name; columns that are not in it are empty."""
        for name in columns.keys() - self._columns.keys():
            self._columns[name] = (hashlib.sha256(), hashlib.sha256())
            self._pad(name, self._rows)
        for name, (lengths, data) in self._columns.items():
            if name in columns:
                _feed(columns[name], lengths, data)
            else:
                self._pad(name, rows)
        self._rows += rows

    def hexdigest(self) -> str:
        whole = hashlib.sha256(json.dumps(self._rows).encode())
        for name in sorted(self._columns):
            lengths, data = self._columns[name]
            line = json.dumps([name, lengths.hexdigest(), data.hexdigest()])
            whole.update(f"\n{line}".encode())
        return whole.hexdigest()

    def _pad(self, name: str, rows: int) -> None:
        lengths, _ = self._columns[name]
        for start in range(0, rows, _ZEROS):
            lengths.update(bytes(4 * min(_ZEROS, rows - start)))


def _feed(array: Any, lengths: "hashlib._Hash", data: "hashlib._Hash") -> None:
    """Add the values of an Arrow array of strings without making Python texts of them."""
    import numpy as np

    filled = array.fill_null("") if array.null_count else array
    _, offsets, values = filled.buffers()
    if len(filled) == 0 or offsets is None:
        return
    bounds = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    lengths.update(np.diff(bounds).astype("<u4").tobytes())
    if values is not None:
        data.update(memoryview(values)[bounds[0] : bounds[-1]])


ROW = "row"
_GROUP_ROWS = 50_000
_GROUP_BYTES = 64 << 20


class StagedWriter:
    """Rows are kept in row groups of about 50,000; `close` leaves one file at `path`.

    A file has one list of columns: when it changes, a new temporary file is begun, and these
    files are merged at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: list[Path] = []
        self._writer: Any = None
        self._pending: list[Any] = []
        self._columns: dict[str, None] = {}
        self._digest = RowsDigest()
        self.rows = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(kept_name(name) for name in self._columns)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def kept(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return what columns of the source are called in the file."""
        return tuple(sorted(map(kept_name, names)))

    def discard(self) -> None:
        """Delete all files."""
        self._end_file()
        for path in [self._path, *self._files]:
            path.unlink(missing_ok=True)

    def write(self, numbers: Any, columns: Mapping[str, Any]) -> None:
        """Add rows: their numbers and one Arrow array of strings for each column."""
        count = len(numbers)
        self._digest.update(columns, rows=count)
        self.rows += count
        if not columns.keys() <= self._columns.keys():
            self._flush()
            self._end_file()
            self._columns.update(dict.fromkeys(columns))
        self._pending.append(self._table(numbers, columns))
        if (
            sum(table.num_rows for table in self._pending) >= _GROUP_ROWS
            or sum(table.nbytes for table in self._pending) >= _GROUP_BYTES
        ):
            self._flush()

    def close(self, nested: Iterable[str]) -> None:
        """Finish the file at `path`, noting in its metadata which columns hold JSON."""
        from pyarrow import parquet

        self._flush()
        if not self._files:
            self._begin_file()
        note = {"nested": json.dumps(self.kept(nested))}
        if len(self._files) == 1:
            self._writer.add_key_value_metadata(note)
        self._end_file()
        if len(self._files) == 1:
            self._files[0].replace(self._path)
            return
        with parquet.ParquetWriter(self._path, self._schema(), compression="zstd") as writer:
            for file in self._files:
                self._append(file, writer)
            writer.add_key_value_metadata(note)

    def _append(self, part: Path, writer: Any) -> None:
        from pyarrow import parquet

        with parquet.ParquetFile(part, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                present = {name: table.column(name) for name in table.schema.names}
                writer.write_table(self._complete(present, table.num_rows))
        part.unlink()

    def _table(self, numbers: Any, columns: Mapping[str, Any]) -> Any:
        import numpy as np

        present = {kept_name(name): array for name, array in columns.items()}
        row = number_array(np.asarray(numbers, np.int64))
        return self._complete({ROW: row, **present}, len(numbers))

    def _complete(self, present: Mapping[str, Any], rows: int) -> Any:
        import pyarrow as pa

        schema = self._schema()
        missing = pa.nulls(rows, pa.string())
        return pa.table([present.get(name, missing) for name in schema.names], schema=schema)

    def _schema(self) -> Any:
        import pyarrow as pa

        texts = [pa.field(name, pa.string()) for name in self.columns]
        return pa.schema([pa.field(ROW, pa.int64(), nullable=False), *texts])

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._pending:
            return
        if self._writer is None:
            self._begin_file()
        self._writer.write_table(pa.concat_tables(self._pending), row_group_size=_GROUP_ROWS * 2)
        self._pending.clear()

    def _begin_file(self) -> None:
        from pyarrow import parquet

        part = self._path.with_name(f"{self._path.name}.part{len(self._files)}")
        self._files.append(part)
        self._writer = parquet.ParquetWriter(part, self._schema(), compression="zstd")

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def kept_name(name: str) -> str:
    return f"{ROW}_" if name == ROW else name
