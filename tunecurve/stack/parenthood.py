"""Whose child a process is, and what becomes of it when its parent ends (Linux)."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

HAS_PRCTL = sys.platform.startswith("linux")
_PDEATHSIG, _CHILD_SUBREAPER = 1, 36  # of sys/prctl.h


def end_with_parent() -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes a child end with its parent; None off Linux.

    The signal comes when the *thread* that started the child ends: start children from the main
    thread.
    """
    if not HAS_PRCTL:
        return None
    # Looked up before the fork: a child may not take the loader's lock.
    return partial(_end_with, os.getpid(), ctypes.CDLL(None).prctl)


def end_with(parent: int) -> None:
    """Make this process end with its parent, at once where that has ended already."""
    _end_with(parent, ctypes.CDLL(None).prctl)


def _end_with(parent: int, prctl: Callable[..., int]) -> None:
    prctl(_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """While the block runs, what a child of this process leaves behind becomes its own child."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_CHILD_SUBREAPER, 0)
