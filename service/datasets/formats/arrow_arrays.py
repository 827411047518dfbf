"""Arrow arrays of Python and NumPy values, made without `pyarrow.array`.

That function imports pandas if it can, which costs a process two seconds and 45 MB. NumPy waits for
the first array: a process that only searches texts makes none.
"""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def number_array(values: "NDArray[Any]") -> Any:
    """Return numbers as an array that shares their memory."""
    import numpy as np
    import pyarrow as pa

    whole = np.ascontiguousarray(values)
    buffers = [None, pa.py_buffer(whole)]
    return pa.Array.from_buffers(pa.from_numpy_dtype(whole.dtype), len(whole), buffers)


def text_array(values: Sequence[str | None]) -> Any:
    """Return texts as large strings; raises UnicodeEncodeError for half a surrogate pair."""
    import polars as pl

    return plain_array(pl.Series(values, dtype=pl.String))


def text_lists(values: Sequence[Sequence[str]]) -> Any:
    """Return large lists of texts; Polars would convert them one by one."""
    import numpy as np
    import pyarrow as pa

    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    offsets = pa.py_buffer(np.concatenate((np.zeros(1, np.int64), ends)))
    inner = text_array(list(chain.from_iterable(values)))
    kind = pa.large_list(pa.large_string())
    return pa.Array.from_buffers(kind, len(values), [None, offsets], children=[inner])


def plain_array(column: Any) -> Any:
    """Return a Polars series as one array of the oldest layout: its texts are contiguous."""
    import polars as pl

    return column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())


def joined_texts(column: Any) -> "tuple[memoryview, NDArray[np.int64]]":
    """Return the bytes of all texts of a Polars series end to end, and where each text ends."""
    import numpy as np

    array = plain_array(column)
    if not len(array):
        return memoryview(b""), np.zeros(0, np.int64)
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[bounds[0] : bounds[-1]], bounds[1:] - bounds[0]
