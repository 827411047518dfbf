"""Examples on disk before they are split: written for speed, read in pieces that fit in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from service.datasets.cleaning.near_duplicates import NearDuplicates
from service.datasets.conversion.row_keys import concat_keys
from service.datasets.drops import Drops
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.validation.row_checks import RowChecks

FILE_NAME = "drafts.parquet"  # the name is part of the stored result of a shard
_BATCH_ROWS = 5000
_BATCH_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class ConvertedRows:
    """All examples of some sources: texts in the Parquet file at `path`, one row of `keys` each.

    `checks` has what the row rules found; `drops` counts the rows that became no example.
    """

    path: Path
    keys: pl.DataFrame
    near: NearDuplicates | None
    checks: RowChecks
    drops: Drops


class ConvertedRowsWriter:
    """Collects examples in a folder, table by table, with their keys and near-duplicate sketches.

    The file is LZ4 without a dictionary and statistics: nearly every text occurs once.
    """

    def __init__(self, folder: Path, *, near_threshold: float | None, checks: RowChecks) -> None:
        self._path = folder / FILE_NAME
        self._writer: Any = None
        self.keys: list[pl.DataFrame] = []
        self.near: NearDuplicates | None = None
        if near_threshold is not None:
            self.near = NearDuplicates(folder, threshold=near_threshold)
        self.log, self.drops, self.checks = FaultLog(), Drops(), checks

    def append(self, table: Any) -> None:
        """Write an Arrow table of examples; all tables have one schema."""
        from pyarrow import parquet

        if self._writer is None:
            self._writer = parquet.ParquetWriter(
                self._path,
                table.schema,
                compression="lz4",
                use_dictionary=False,
                write_statistics=False,
            )
        self._writer.write_table(table)

    def take_log(self) -> FaultLog:
        """Return the faults of rows that could not be read since the last call."""
        log, self.log = self.log, FaultLog()
        return log

    def take_faults(self) -> list[RowFault]:
        """Return all faults since the last call: what could not be read, and broken row rules."""
        return [*self.take_log().faults, *self.checks.take_faults()]

    def finish(self) -> ConvertedRows:
        """Finish the file. The near-duplicates can be used until `close`."""
        self._close_file()
        return ConvertedRows(self._path, concat_keys(self.keys), self.near, self.checks, self.drops)

    def close(self) -> None:
        self._close_file()
        if self.near is not None:
            self.near.close()

    def _close_file(self) -> None:
        if self._writer is not None:
            self._writer.close()


def bounded_batches(file: Any, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield the rows of a Parquet file, 5000 at once, or fewer of about 8 MB.

    Open the file with `pre_buffer=False`: otherwise all that was read of it stays in memory.
    """
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        rows = _BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)
        size = min(max(rows, 1), _BATCH_ROWS)
        yield from file.iter_batches(batch_size=size, row_groups=[number], columns=columns)
