"""Reading the examples of a dataset that is stored: all of them, a split, or a range of one."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import IO, Any

from service.datasets.chats import Turn
from service.datasets.examples import Example, Split
from service.storage.ports import ObjectStore
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

_ROWS_AT_ONCE = 250
_LAST_POSITION = 2**62


def stored_rows(source: IO[bytes], *, split: Split | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of an examples file in stored order, of one split or of all."""
    for row in read_parquet(source):
        if split is None or row["split"] == split.value:
            yield row


def stored_range(
    source: IO[bytes], *, split: Split, first: int = 0, last: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split from position `first` to before `last`, in stored order.

    Reads only the row groups that may hold them, and keeps few rows at a time.
    """
    from pyarrow import parquet

    end = _LAST_POSITION if last is None else last
    with parquet.ParquetFile(source, pre_buffer=False) as file:
        groups = [
            index
            for index in range(file.num_row_groups)
            if _may_hold(file.metadata.row_group(index), split, first, end)
        ]
        # One thread: each of Arrow's own would keep its buffers. And `pyarrow.compute` is not
        # for a comparison: to import it costs 8 MB.
        batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, row_groups=groups, use_threads=False)
        for row in chain.from_iterable(batch.to_pylist() for batch in batches):
            if row["split"] == split.value and first <= row["position"] < end:
                yield row


def has_turns(source: IO[bytes], *, split: Split) -> bool:
    """Return whether an example of a split has turns before its text; reads two columns."""
    from pyarrow import compute, parquet

    with parquet.ParquetFile(source, pre_buffer=False) as file:
        if "history" not in file.schema_arrow.names:
            return False  # a file from before chats
        for batch in file.iter_batches(columns=["split", "history"]):
            of_split = batch.filter(compute.equal(batch["split"], split.value))
            lengths = compute.utf8_length(of_split["history"])
            if compute.any(compute.greater(lengths, len("[]"))).as_py():
                return True
    return False


def _may_hold(group: Any, split: Split, first: int, end: int) -> bool:
    """Return whether a row group may hold rows of a range, by the bounds of its columns."""
    columns = list(SCHEMA.columns)
    names, positions = (
        group.column(columns.index(name)).statistics for name in ("split", "position")
    )
    if not (names and names.has_min_max and positions and positions.has_min_max):
        return True
    if not names.min <= split.value <= names.max:
        return False
    # Positions count within a split: their bounds say nothing in a group of several splits.
    return bool(names.min != names.max or (positions.min < end and positions.max >= first))


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
        history=turns_of(row.get("history") or ""),
    )


def stream_examples(
    examples_key: str,
    split: Split,
    *,
    first: int = 0,
    last: int | None = None,
    store: ObjectStore,
) -> Iterator[Example]:
    """Yield the examples of a split from position `first` to before `last`, in stored order.

    Holds few of them at a time. Raises NotFound `object_not_found`, Unavailable.
    """
    with store.open(examples_key) as stream:
        yield from map(example_of, stored_range(stream, split=split, first=first, last=last))


def turns_of(history: str) -> tuple[Turn, ...]:
    """Return the turns that a column of JSON holds."""
    return tuple(Turn(**turn) for turn in json.loads(history)) if history else ()
