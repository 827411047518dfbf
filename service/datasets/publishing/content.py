"""A dataset's rows for those who download or page through them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from service.datasets.examples import SCHEMA, Split, example_of, has_turns, stored_rows
from service.datasets.publishing.export_forms import WRITERS
from service.datasets.schemas import DatasetRow
from service.errors import Fault, Invalid
from service.storage.ports import ObjectStore
from service.storage.tables import rows_as_csv, rows_as_jsonl

ContentFormat = Literal[
    "jsonl", "csv", "parquet", "contents", "messages", "openai", "text_input_output", "preference"
]
_JSON_LINES = "application/x-ndjson"
_TABLES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """Where a dataset's examples are stored, and the instruction before each of them; `pairs`
    have a rejected answer, too.
    """

    key: str
    name: str
    instruction: str
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """A file to be downloaded; `key` is its object's where it is stored as it is."""

    file_name: str
    content_type: str
    chunks: Iterator[bytes]
    key: str | None


def content_of(
    stored: StoredDataset,
    content_format: ContentFormat,
    *,
    store: ObjectStore,
    split: Split | None = None,
) -> Content:
    """Return the rows of a split or of all as one file; Parquet is stored, the other
    formats are derived from it.

    The forms for training (those of `WRITERS`) hold the training rows when no split is named: a
    file that mixed them with the test would leak it into whatever is trained on it. Raises
    Invalid `split_not_allowed` for Parquet, `several_turns`, `pairs_required`.
    """
    if content_format in WRITERS:
        chunks = _written(stored, content_format, split or Split.TRAIN, store)
        return Content(f"{stored.name}.{content_format}.jsonl", _JSON_LINES, chunks, None)
    if content_format == "parquet" and split is not None:
        message = "the Parquet file holds all splits; ask for another format, or read its `split`"
        fault = Fault("split", "split_not_allowed", message)
        raise Invalid(message, code="split_not_allowed", faults=[fault])
    return Content(
        file_name=f"{stored.name}.{content_format}",
        content_type=_TABLES.get(content_format, _JSON_LINES),
        chunks=_chunks(stored.key, content_format, split, store),
        key=stored.key if content_format == "parquet" else None,
    )


def _chunks(
    key: str, content_format: ContentFormat, split: Split | None, store: ObjectStore
) -> Iterator[bytes]:
    match content_format:
        case "parquet":
            return store.chunks(key)
        case "csv":
            return rows_as_csv(_rows(key, split, store), columns=list(SCHEMA.columns))
        case _:
            return rows_as_jsonl(_rows(key, split, store))


def _written(stored: StoredDataset, form: str, split: Split, store: ObjectStore) -> Iterator[bytes]:
    """Return training lines; raises before the first of them what a later one would raise."""
    if form == "text_input_output":
        _refuse_turns(stored.key, split, store)
    if form == "preference" and not stored.pairs:
        message = f"{stored.name} has no pairs: prepare rows with a rejected answer (`form`)"
        fault = Fault("format", "pairs_required", message)
        raise Invalid(message, code="pairs_required", faults=[fault])
    examples = map(example_of, _rows(stored.key, split, store))
    return WRITERS[form](stored.instruction, examples)


def _refuse_turns(key: str, split: Split, store: ObjectStore) -> None:
    with store.open(key) as stream:
        if has_turns(stream, split=split):
            message = "some examples have several turns; text_input and output hold one"
            fault = Fault("format", "several_turns", message)
            raise Invalid(message, code="several_turns", faults=[fault])


def _rows(key: str, split: Split | None, store: ObjectStore) -> Iterator[dict[str, Any]]:
    with store.open(key) as stream:
        yield from stored_rows(stream, split=split)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows to show; None does not restrict.

    `search` is found in text or answers whatever its case; `row` is the number of a source's row.
    """

    label: str | None = None
    group: str | None = None
    row: int | None = None
    search: str | None = None

    def accepts(self, row: dict[str, Any]) -> bool:
        required = {"label": self.label, "group": self.group, "row": self.row}
        if any(value is not None and row[name] != value for name, value in required.items()):
            return False
        if self.search is None:
            return True
        sought = self.search.casefold()
        texts = (row["text"], row["target"], row.get("rejected", ""))
        return any(sought in text.casefold() for text in texts)


def row_page(
    examples_key: str,
    *,
    split: Split | None,
    row_filter: RowFilter,
    after: str | None,
    limit: int,
    store: ObjectStore,
) -> list[DatasetRow]:
    """Return up to `limit` rows in stored order, those that follow the row with the id `after`."""
    with store.open(examples_key) as stream:
        found = stored_rows(stream, split=split)
        if after is not None:
            found = _following(found, after)
        return [dataset_row(row) for row in islice(filter(row_filter.accepts, found), limit)]


def dataset_row(row: dict[str, Any]) -> DatasetRow:
    """Return a stored row as HTTP shows it; files of the first version have no turns."""
    chat = {"system": row.pop("system", ""), "history": json.loads(row.pop("history", "") or "[]")}
    return DatasetRow(**row, **chat)


def _following(rows: Iterator[dict[str, Any]], example_id: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["id"] == example_id:
            break
    return rows
