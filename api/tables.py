"""A stored Parquet table as a download: itself, or derived from it as JSONL or CSV."""

from collections.abc import Iterator
from typing import Any, Literal

from starlette.responses import Response

from api.downloads import Stored, attachment, stored_attachment
from service.errors import NotFound
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema, read_parquet, rows_as_csv, rows_as_jsonl

TableFormat = Literal["jsonl", "csv", "parquet"]
MEDIA_TYPES: dict[TableFormat, str] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}


def table_rows(key: str, *, store: ObjectStore) -> Iterator[dict[str, Any]]:
    """Yield the rows of a stored table in order, without holding all of them."""
    with store.open(key) as stream:
        yield from read_parquet(stream)


def table_attachment(
    key: str,
    *,
    name: str,
    table_format: TableFormat,
    schema: TableSchema,
    store: ObjectStore,
    byte_range: str | None,
) -> Response:
    """Answer with a table; ranges are of the stored Parquet file only."""
    media_type, file_name = MEDIA_TYPES[table_format], f"{name}.{table_format}"
    if table_format == "parquet":
        return object_attachment(
            key, name=file_name, content_type=media_type, store=store, byte_range=byte_range
        )
    rows = table_rows(key, store=store)
    chunks = (
        rows_as_jsonl(rows)
        if table_format == "jsonl"
        else rows_as_csv(rows, columns=list(schema.columns))
    )
    return attachment(chunks, name=file_name, content_type=media_type)


def object_attachment(
    key: str, *, name: str, content_type: str, store: ObjectStore, byte_range: str | None
) -> Response:
    """Answer with a stored object; raises NotFound `object_not_found`, RangeNotSatisfiable."""
    size = store.size(key)
    if size is None:
        raise NotFound(f"the file of {name} is gone from the store", code="object_not_found")
    stored = Stored(size, lambda start, end: store.chunks(key, start=start, end=end))
    return stored_attachment(stored, name=name, content_type=content_type, wanted=byte_range)
