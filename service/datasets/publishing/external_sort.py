"""Examples in the order they are stored: an external sort that holds one bucket of rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.conversion.converted_rows import bounded_batches
from service.datasets.formats.arrow_arrays import number_array

_BUCKET_ROWS = 5000
_BUCKET_BYTES = 64 << 20
_MOST_BUCKETS = 200  # files open at once


def sort_externally(
    converted: Path,
    order: NDArray[np.int64],
    folder: Path,
    *,
    extra: pl.DataFrame,
    row_bytes: int,
) -> Iterator[pl.DataFrame]:
    """Yield examples in stored order, a bucket at a time.

    `order` are the indexes of the examples to store, in that order; `extra` are columns
    to add, one row for each of these, in that order; `row_bytes` is about what a row holds.
    """
    width = min(_BUCKET_ROWS, _BUCKET_BYTES // max(row_bytes, 1))
    width = max(width, -(-len(order) // _MOST_BUCKETS), 1)
    _scatter(converted, order, width, folder)
    for number, begin in enumerate(range(0, len(order), width)):
        path = folder / f"bucket_{number}"
        rows = pl.read_ipc_stream(path).sort("place").drop("place")
        path.unlink()
        yield rows.hstack(extra.slice(begin, width))


def _places(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    places = np.full(count, -1, np.int64)
    places[order] = np.arange(len(order))
    return places


def _scatter(converted: Path, order: NDArray[np.int64], width: int, folder: Path) -> None:
    """Write each example into the bucket of its place."""
    import pyarrow as pa

    writers: dict[int, Any] = {}
    for here, table in _placed(converted, order):
        for number in np.unique(here[here >= 0] // width).tolist():
            if number not in writers:
                writers[number] = pa.ipc.new_stream(folder / f"bucket_{number}", table.schema)
            inside = np.flatnonzero(here // width == number)
            writers[number].write_table(table.take(number_array(inside)))
    for writer in writers.values():
        writer.close()


def _placed(converted: Path, order: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Any]]:
    """Yield tables of examples, and the place of each: -1 for those that are not stored."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(converted, pre_buffer=False) as file:
        places = _places(order, file.metadata.num_rows)
        done = 0
        for batch in bounded_batches(file):
            here = places[done : done + batch.num_rows]
            done += batch.num_rows
            table = pa.Table.from_batches([batch]).append_column("place", number_array(here))
            yield here, table
