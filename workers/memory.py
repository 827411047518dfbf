"""What keeps a worker small: memory that is given back, a limit, libraries without their extras."""

import ctypes
import resource
import sys
import warnings
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder

from service.errors import Invalid
from service.storage.gcs import import_client

# Of malloc.h. A heap for each thread never shrinks; and left alone, glibc raises the other two
# with the largest block it has seen, until a table of rows stays where it was freed.
_M_ARENA_MAX, _M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -8, -1, -3
_BLOCK_BYTES = 256 << 10

# What structlog, billiard, Celery, redis and kombu import when it is there, and can do without.
EXTRAS = frozenset({"rich", "cffi", "psutil", "opentelemetry", "yaml"})
# The same of Cloud Storage's client and its HTTP client.
STORAGE_EXTRAS = frozenset({"grpc", "opentelemetry", "charset_normalizer", "chardet"})


class _Without(MetaPathFinder):
    """Finds none of these modules, whatever is installed."""

    def __init__(self, modules: AbstractSet[str]) -> None:
        self._modules = modules

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname in self._modules:
            raise ImportError(fullname)


@cache
def save_memory(*, cloud_storage: bool) -> None:
    """Make this process small, for good; a second call does nothing."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_TRIM_THRESHOLD, _BLOCK_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
    if cloud_storage:
        with without(STORAGE_EXTRAS), warnings.catch_warnings(action="ignore"):
            import_client()


def give_back() -> None:
    """Return to the system what is free at the end of the heap."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def memory_limit(size_bytes: int) -> Iterator[None]:
    """Hold this process's own memory to a size while the block runs.

    Raises Invalid `memory_limit` where Python meets the limit; native code may end the process.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    except MemoryError:
        message = (
            f"it needs more than {limit >> 20} MiB of memory: give it fewer rows or smaller "
            "templates, or raise TUNECURVE_PREPARE_MEMORY_BYTES"
        )
        raise Invalid(message, code="memory_limit") from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


@contextmanager
def without(modules: AbstractSet[str]) -> Iterator[None]:
    """Let nothing import these modules while the block runs; afterwards all may be imported."""
    finder = _Without(modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
