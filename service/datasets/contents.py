"""A dataset's rows for those who download or page through them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from service.datasets.artifacts import SCHEMA, stored_rows
from service.datasets.examples import Split
from service.datasets.schemas import DatasetRow
from service.storage.ports import ObjectStore
from service.storage.tables import rows_as_csv, rows_as_jsonl

ContentFormat = Literal["jsonl", "csv", "parquet"]
_CONTENT_TYPES: dict[ContentFormat, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be downloaded; `key` is its object's where it is stored as it is."""

    file_name: str
    content_type: str
    chunks: Iterator[bytes]
    key: str | None


def content_of(
    examples_key: str, *, name: str, content_format: ContentFormat, store: ObjectStore
) -> Content:
    """Return all rows as one file; Parquet is what is stored, the others are made of it."""
    return Content(
        file_name=f"{name}.{content_format}",
        content_type=_CONTENT_TYPES[content_format],
        chunks=_chunks(examples_key, content_format, store),
        key=examples_key if content_format == "parquet" else None,
    )


def _chunks(key: str, content_format: ContentFormat, store: ObjectStore) -> Iterator[bytes]:
    match content_format:
        case "parquet":
            return store.chunks(key)
        case "jsonl":
            return rows_as_jsonl(_all_rows(key, store))
        case "csv":
            return rows_as_csv(_all_rows(key, store), columns=list(SCHEMA.columns))


def _all_rows(key: str, store: ObjectStore) -> Iterator[dict[str, Any]]:
    with store.open(key) as stream:
        yield from stored_rows(stream)


def page_of(
    examples_key: str, *, split: Split | None, after: str | None, limit: int, store: ObjectStore
) -> list[DatasetRow]:
    """Return up to `limit` rows in stored order, those that follow the row with the id `after`."""
    with store.open(examples_key) as stream:
        rows = stored_rows(stream, split=split)
        if after is not None:
            rows = _following(rows, after)
        return [DatasetRow(**row) for row in islice(rows, limit)]


def _following(rows: Iterator[dict[str, Any]], example_id: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["id"] == example_id:
            break
    return rows
