"""Whether this worker is to end. Celery tells the main process; its children run the jobs."""

import mmap
from typing import Any

from celery import signals

# One byte of memory that the children share, as they are forked after this module is imported.
_told = mmap.mmap(-1, 1)


@signals.worker_shutting_down.connect
def _tell_children(**_: Any) -> None:
    _told[0] = 1


def is_leaving() -> bool:
    """Return whether the worker of this process was asked to end."""
    return _told[0] == 1
