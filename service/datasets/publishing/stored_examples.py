"""The columns of stored examples, and how they are read."""

import json
from collections.abc import Iterator
from typing import IO, Any

from service.datasets.examples import Example, Split, Turn
from service.storage.tables import TableSchema, read_parquet

SCHEMA = TableSchema(
    version=1,
    columns={
        "id": "string",
        "split": "string",
        "position": "int64",
        "text": "string",
        "target": "string",
        "references": "strings",
        "group": "string",
        "label": "string",
        "row": "int64",
        "system": "string",
        "history": "string",
    },
)


def stored_rows(source: IO[bytes], *, split: Split | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of an examples file in stored order, of one split or of all."""
    for row in read_parquet(source):
        if split is None or row["split"] == split.value:
            yield row


def has_turns(source: IO[bytes], *, split: Split) -> bool:
    """Return whether an example of a split has turns before its text.

    Files of the first version have no such column.
    """
    return any(
        row["split"] == split.value and len(row.get("history", "")) > len("[]")
        for row in read_parquet(source, columns=["split", "history"])
    )


def example_of(row: dict[str, Any]) -> Example:
    """Return the example a stored row holds."""
    return Example(
        id=row["id"],
        text=row["text"],
        target=row["target"],
        references=tuple(row["references"]),
        group=row["group"],
        row=row["row"],
        label=row["label"],
        system=row.get("system") or "",
        history=tuple(Turn(**turn) for turn in json.loads(row.get("history") or "[]")),
    )
