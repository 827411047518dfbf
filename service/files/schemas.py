"""What crosses HTTP about files."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:  # the subprocess of a preview does without the database
    from service.files.models import File as FileRow


class FileFormat(StrEnum):
    """How rows are written; each may come in gzip or Zstandard."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    PARQUET = "parquet"


class File(BaseModel):
    """An uploaded file. `size_bytes` and `sha256` are those of the bytes as kept, that is,
    expanded; `sent_size_bytes` and `sent_sha256` those of the bytes as sent, as `sha256sum` shows
    them, and null for files of older versions.
    """

    model_config = ConfigDict(frozen=True)

    object: Literal["file"] = "file"
    id: str
    name: str
    format: FileFormat
    size_bytes: int = Field(ge=0)
    sha256: str
    sent_size_bytes: int | None = Field(ge=0)
    sent_sha256: str | None
    created_at: datetime


def present_file(row: "FileRow") -> File:
    """Return a row as HTTP shows it."""
    return File(
        id=row.id,
        name=row.name,
        format=FileFormat(row.format),
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        sent_size_bytes=row.sent_size_bytes,
        sent_sha256=row.sent_sha256,
        created_at=row.created_at,
    )
