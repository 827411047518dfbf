"""Whether this worker shuts down: Celery signals the main process, its children run the jobs."""

import mmap
from typing import Any

from celery import signals

# One byte of memory that the children share, as they are forked after this module is imported.
_flag = mmap.mmap(-1, 1)


@signals.worker_shutting_down.connect
def _set_flag(**_: Any) -> None:
    _flag[0] = 1


def is_shutting_down() -> bool:
    """Return whether the worker of this process was asked to shut down."""
    return _flag[0] == 1
