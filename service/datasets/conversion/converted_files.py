"""Parquet that only this room reads: written for speed, read in pieces that fit into memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_BATCH_ROWS = 5000
_BATCH_BYTES = 8 << 20


def converted_rows_writer(path: Path, schema: Any) -> Any:
    """Return a writer of drafts: nearly every text occurs once, and nobody looks for one."""
    from pyarrow import parquet

    return parquet.ParquetWriter(
        path, schema, compression="lz4", use_dictionary=False, write_statistics=False
    )


def bounded_batches(file: Any, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield the rows of a Parquet file, 5000 at once, or fewer of about 8 MB.

    Open the file with `pre_buffer=False`: otherwise all that was read of it stays in memory.
    """
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        rows = _BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)
        size = min(max(rows, 1), _BATCH_ROWS)
        yield from file.iter_batches(batch_size=size, row_groups=[number], columns=columns)
