"""Rows gathered into columns, a few thousand or a few megabytes at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.datasets.formats.arrow_arrays import text_array
from service.datasets.formats.rows import SourceRow

_BATCH_ROWS = 10_000
_BATCH_CHARACTERS = 16 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """`numbers` are integers, those of the rows; `columns` are Arrow arrays of strings by name."""

    numbers: Sequence[int]
    columns: dict[str, Any]

    @property
    def last_number(self) -> int:
        return int(self.numbers[-1]) if len(self.numbers) else 0

    def shifted(self, offset: int) -> "Batch":
        """Return the same rows, numbered as those that follow `offset` others."""
        if offset == 0:
            return self
        return Batch([number + offset for number in self.numbers], self.columns)


def batches_of(rows: Iterable[SourceRow]) -> Iterator[Batch]:
    """Yield the rows in columns; a field that a row lacks is null."""
    pending: list[SourceRow] = []
    characters = 0
    for row in rows:
        pending.append(row)
        characters += sum(map(len, row.fields.values()))
        if len(pending) >= _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield batch_of(pending)
            pending, characters = [], 0
    if pending:
        yield batch_of(pending)


def batch_of(rows: list[SourceRow]) -> Batch:
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row.fields)
    columns = {
        name: text_array([row.fields.get(name) for row in rows]).cast(pa.string()) for name in names
    }
    return Batch([row.number for row in rows], columns)
