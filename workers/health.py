"""Liveness of a worker or ticker in a container: a file that its main loop keeps fresh.

`python -m workers.health` exits 0 while the file is fresh. No remote control is needed, and a
worker that only waits for Redis to come back is not killed for it.
"""

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state

log = structlog.get_logger()

HEARTBEAT_FILE = Path(tempfile.gettempdir()) / "tunecurve-alive"
STALE_SECONDS = 60.0
DEAF_SECONDS = 30.0


def beat() -> None:
    """Show that the main loop turns; an unwritable file is ignored: then no probe reads it."""
    with contextlib.suppress(OSError):
        HEARTBEAT_FILE.touch()


class HeartbeatStep(bootsteps.StartStopStep):
    """Beats each second from the worker's own timer, so a stuck worker goes stale.

    A worker that hears nothing any more, though its loop turns, beats no longer and exits: who
    started it starts it again.
    """

    requires = ("celery.worker.components:Timer",)

    def start(self, worker: Any) -> None:
        self._heard_at = time.monotonic()
        worker.timer.call_repeatedly(1.0, self._beat, (worker,))

    def _beat(self, worker: Any) -> None:
        if not is_deaf(worker):
            self._heard_at = time.monotonic()
            beat()
        elif time.monotonic() - self._heard_at > DEAF_SECONDS:
            log.error("worker_deaf", seconds=DEAF_SECONDS)
            state.should_stop = os.EX_TEMPFAIL  # type: ignore[assignment]


def is_deaf(worker: Any) -> bool:
    """Return whether a worker may take no message although it has nothing to do."""
    consumer = getattr(worker.consumer, "task_consumer", None)
    if consumer is None or state.reserved_requests:
        return False
    return not consumer.channel.qos.can_consume()


def is_fresh(now_seconds: float) -> bool:
    """Return whether the last beat is younger than `STALE_SECONDS`."""
    try:
        return now_seconds - HEARTBEAT_FILE.stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_fresh(time.time()) else 1)
