"""Liveness of a worker or ticker in a container: a file that its main loop keeps fresh.

`python -m workers.health` exits 0 while the file is fresh. No remote control is needed, and a
worker that only waits for Redis to come back is not killed for it.
"""

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from celery import bootsteps

HEARTBEAT_FILE = Path(tempfile.gettempdir()) / "tunecurve-alive"
STALE_SECONDS = 60.0


def beat() -> None:
    """Show that the main loop turns; an unwritable file is ignored: then no probe reads it."""
    with contextlib.suppress(OSError):
        HEARTBEAT_FILE.touch()


class HeartbeatStep(bootsteps.StartStopStep):
    """Beats each second from the worker's own timer, so a stuck worker goes stale."""

    requires = ("celery.worker.components:Timer",)

    def start(self, worker: Any) -> None:
        worker.timer.call_repeatedly(1.0, beat)


def is_fresh(now_seconds: float) -> bool:
    """Return whether the last beat is younger than `STALE_SECONDS`."""
    try:
        return now_seconds - HEARTBEAT_FILE.stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_fresh(time.time()) else 1)
