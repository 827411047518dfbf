"""Folders for what a process works on: gone with it, however it ends."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import Unavailable

_HELD = "tunecurve-work-"
_NEW = ".tunecurve-work-"  # not locked yet: it must not be taken for one that was left
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield an empty folder for this block alone.

    A process that is killed deletes nothing, and what it leaves is people's data: each folder is
    locked while it is used; the process that makes the next one deletes those without a lock.
    """
    _delete_left()
    new = Path(tempfile.mkdtemp(prefix=_NEW))
    lock = os.open(new, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = new.rename(new.with_name(new.name.replace(_NEW, _HELD)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _delete_left() -> None:
    with os.scandir(tempfile.gettempdir()) as entries:  # a glob of thousands takes 6 ms
        held = [Path(entry.path) for entry in entries if entry.name.startswith(_HELD)]
    for folder in held:
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # gone meanwhile, or another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def error_of_work_disk(error: OSError) -> Unavailable | None:
    """Return why a folder of work takes no more, or None where it is no matter of room."""
    if error.errno not in _FULL:
        return None
    message = f"no space left on this machine's disk for work: {tempfile.gettempdir()}"
    return Unavailable(message, code="work_disk_full")
