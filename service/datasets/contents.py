"""A dataset's rows for those who download or page through them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from service.datasets.examples import Split
from service.datasets.schemas import DatasetRow
from service.datasets.stored_examples import SCHEMA, stored_rows
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


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows to show; what is None does not count.

    `search` is found in text or target whatever its case; `row` is the number of a source's row.
    """

    label: str | None = None
    group: str | None = None
    row: int | None = None
    search: str | None = None

    def accepts(self, row: dict[str, Any]) -> bool:
        wanted = {"label": self.label, "group": self.group, "row": self.row}
        if any(value is not None and row[name] != value for name, value in wanted.items()):
            return False
        if self.search is None:
            return True
        sought = self.search.casefold()
        return sought in row["text"].casefold() or sought in row["target"].casefold()


def page_of(
    examples_key: str,
    *,
    split: Split | None,
    only: RowFilter,
    after: str | None,
    limit: int,
    store: ObjectStore,
) -> list[DatasetRow]:
    """Return up to `limit` rows in stored order, those that follow the row with the id `after`."""
    with store.open(examples_key) as stream:
        found = stored_rows(stream, split=split)
        if after is not None:
            found = _following(found, after)
        return [dataset_row(row) for row in islice(filter(only.accepts, found), limit)]


def dataset_row(row: dict[str, Any]) -> DatasetRow:
    """Return a stored row as HTTP shows it; a file from before chats has no turns."""
    chat = {"system": row.pop("system", ""), "history": json.loads(row.pop("history", "") or "[]")}
    return DatasetRow(**row, **chat)


def _following(rows: Iterator[dict[str, Any]], example_id: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["id"] == example_id:
            break
    return rows
