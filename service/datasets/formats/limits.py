"""How much one source may ask of the machine that stages it."""

from dataclasses import dataclass

from service.files.contents import FileLimits


@dataclass(frozen=True, slots=True)
class StagingLimits:
    """`source_bytes` bounds a file as sent and as expanded, `row_bytes` one row of it.

    A document that cannot be read piece by piece may hold `document_bytes`. Parquet is read by
    a process of its own that may use `parquet_memory_bytes` and `parquet_seconds`.
    """

    source_bytes: int = 4 << 30
    row_bytes: int = 1 << 20
    cell_characters: int = 1 << 17
    rows: int = 20_000_000
    columns: int = 1000
    column_name_characters: int = 200
    depth: int = 64
    document_bytes: int = 256 << 20
    parquet_memory_bytes: int = 2 << 30
    parquet_seconds: int = 1800


def limits_of(given: FileLimits | StagingLimits) -> StagingLimits:
    """Return the limits as given; those of files leave the others at their defaults."""
    if isinstance(given, StagingLimits):
        return given
    return StagingLimits(source_bytes=given.upload_bytes, row_bytes=given.line_bytes)
