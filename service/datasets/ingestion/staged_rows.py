"""A staged source: one Parquet file of texts, and what is known about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.datasets.formats.rows import SourceRow
from service.datasets.row_faults import RowFault

ROW = "row"


@dataclass(frozen=True, slots=True)
class StagedRows:
    """`rows` are in the file, `source_rows` are these and the ones with a fault.

    The file has `row` (int64) first, then `columns`, all of them strings; a column of the
    source that is called `row` itself is kept as `row_`. `nested` columns hold JSON of lists and
    objects. `sha256` is that of the rows in order, not of the file: row numbers, order of columns
    and the format they came in do not count. `fault_counts` counts by code beyond `faults`.
    """

    path: Path
    rows: int
    source_rows: int
    columns: tuple[str, ...]
    nested: tuple[str, ...]
    sha256: str
    faults: tuple[RowFault, ...]
    fault_counts: Mapping[str, int]


def staged_rows(staged: StagedRows, *, columns: Sequence[str] | None = None) -> Iterator[SourceRow]:
    """Yield rows one by one in order; a row's fields are those that it has."""
    from pyarrow import parquet

    wanted = None if columns is None else [ROW, *columns]
    with parquet.ParquetFile(staged.path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=5000, columns=wanted):
            names = batch.schema.names[1:]
            numbers, *cells = (column.to_pylist() for column in batch.columns)
            for number, *values in zip(numbers, *cells, strict=True):
                pairs = zip(names, values, strict=True)
                yield SourceRow(number, {name: each for name, each in pairs if each is not None})
