"""What a Parquet file says of itself."""

from pathlib import Path
from typing import IO

from arro3.io import read_parquet


def parquet_metadata(source: Path | IO[bytes]) -> dict[str, str]:
    """Return the file's own metadata, such as `schema_version`."""
    return dict(read_parquet(source).schema.metadata_str)
