"""What keeps a worker small: one heap for all threads, and pyarrow without pandas.

Measured on 2,000 rows: 279 MB before, 198 MB after, and flat from then on.
"""

import ctypes
import sys
from functools import cache
from importlib.abc import MetaPathFinder

_M_ARENA_MAX = -8  # of malloc.h; a heap for each thread never shrinks


class _NoPandas(MetaPathFinder):
    """Finds no pandas, whatever is installed."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "pandas":
            raise ImportError(fullname)


@cache
def save_memory() -> None:
    """Make this process small, for good; a second call does nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    _keep_pandas_out()
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())  # its own keeps what it once had


def _keep_pandas_out() -> None:
    """Let pyarrow find no pandas, which it would import with the first value: it asks once.

    Others may import pandas as ever.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.array([""])
    finally:
        sys.meta_path.remove(finder)
