"""One hash of all rows, whatever they were written in and however they were cut into batches."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_ZEROS = 1 << 20


class RowsDigest:
    """SHA-256 over each column's lengths and bytes, then over the columns in order of names.

    Null counts as the empty text, since not every format can tell them apart.
    """

    def __init__(self) -> None:
        self._columns: dict[str, tuple[hashlib._Hash, hashlib._Hash]] = {}
        self._rows = 0

    def update(self, columns: Mapping[str, Any], *, rows: int) -> None:
        """Add a batch: Arrow arrays of strings by name; columns that are not in it are empty."""
        for name in columns.keys() - self._columns.keys():
            self._columns[name] = (hashlib.sha256(), hashlib.sha256())
            self._pad(name, self._rows)
        for name, (lengths, data) in self._columns.items():
            if name in columns:
                _feed(columns[name], lengths, data)
            else:
                self._pad(name, rows)
        self._rows += rows

    def hexdigest(self) -> str:
        whole = hashlib.sha256(json.dumps(self._rows).encode())
        for name in sorted(self._columns):
            lengths, data = self._columns[name]
            line = json.dumps([name, lengths.hexdigest(), data.hexdigest()])
            whole.update(f"\n{line}".encode())
        return whole.hexdigest()

    def _pad(self, name: str, rows: int) -> None:
        lengths, _ = self._columns[name]
        for start in range(0, rows, _ZEROS):
            lengths.update(bytes(4 * min(_ZEROS, rows - start)))


def _feed(array: Any, lengths: "hashlib._Hash", data: "hashlib._Hash") -> None:
    """Add the values of an Arrow array of strings without making Python texts of them."""
    import numpy as np

    filled = array.fill_null("") if array.null_count else array
    _, offsets, values = filled.buffers()
    if len(filled) == 0 or offsets is None:
        return
    bounds = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    lengths.update(np.diff(bounds).astype("<u4").tobytes())
    if values is not None:
        data.update(memoryview(values)[bounds[0] : bounds[-1]])
