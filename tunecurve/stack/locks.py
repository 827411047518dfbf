"""Locks on files: held while the process, or a child that inherits the descriptor, runs."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PAUSE_SECONDS = 0.1
# `is_locked` of another command holds the lock for an instant.
_CHECK_SECONDS = 0.3


class LockedError(Exception):
    """Another process holds the lock; `holder` is the pid written in the file, if any."""

    def __init__(self, file: Path, holder: int | None) -> None:
        self.file = file
        self.holder = holder
        super().__init__(f"{file} is held by process {holder or 'unknown'}")


def take_lock(file: Path, *, patience_seconds: float = 0) -> int:
    """Return a descriptor that holds the file's lock until it and its copies are closed.

    Raises LockedError when it is still held after `patience_seconds`.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise LockedError(file, _holder(file)) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return descriptor


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock and name this process in the file; raises LockedError."""
    descriptor = take_lock(file, patience_seconds=_CHECK_SECONDS)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def is_locked(file: Path) -> bool:
    """Return whether some process holds the lock."""
    if not file.exists():
        return False
    try:
        os.close(take_lock(file))
    except LockedError:
        return True
    return False


def _holder(file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text(encoding="utf-8"))
    return None
