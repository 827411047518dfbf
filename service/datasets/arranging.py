"""Drafts in the order they are stored: an external sort that holds one bucket of rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

_BATCH_ROWS = 20_000
_BUCKET_ROWS = 25_000
_MOST_BUCKETS = 200  # files open at once


def arrange(
    drafts: Path, order: NDArray[np.int64], folder: Path, *, extra: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Yield drafts in stored order, a bucket at a time.

    `order` are the indexes of the drafts that stay, as they are to be stored; `extra` are columns
    to add, one row for each of these, in that order.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(drafts) as file:
        places = _places(order, file.metadata.num_rows)
        width = max(_BUCKET_ROWS, -(-len(order) // _MOST_BUCKETS))
        _scatter(file, places, width, folder)
    for number, begin in enumerate(range(0, len(order), width)):
        path = folder / f"bucket_{number}"
        rows = pl.read_ipc_stream(path).sort("place").drop("place")
        path.unlink()
        yield rows.hstack(extra.slice(begin, width))


def _places(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    places = np.full(count, -1, np.int64)
    places[order] = np.arange(len(order))
    return places


def _scatter(file: Any, places: NDArray[np.int64], width: int, folder: Path) -> None:
    """Write each draft that stays into the bucket of its place."""
    import pyarrow as pa

    writers: dict[int, Any] = {}
    done = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS):
        here = places[done : done + batch.num_rows]
        done += batch.num_rows
        table = pa.Table.from_batches([batch]).append_column("place", pa.array(here))
        for number in np.unique(here[here >= 0] // width).tolist():
            if number not in writers:
                writers[number] = pa.ipc.new_stream(folder / f"bucket_{number}", table.schema)
            inside = (here >= number * width) & (here < (number + 1) * width)
            writers[number].write_table(table.take(np.flatnonzero(inside)))
    for writer in writers.values():
        writer.close()
