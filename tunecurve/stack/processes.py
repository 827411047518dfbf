"""One process of the stack: how it is started, watched, restarted and stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tunecurve.stack.locks import LockedError, take_lock

_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_LOCK_PATIENCE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Service:
    """What to run. `stage` orders the stop: higher stages end first.

    `lock` is a file whose lock the process itself holds, so that a successor of a killed
    supervisor waits for it before it opens the same folder.
    """

    name: str
    command: tuple[str, ...]
    stage: int
    grace_seconds: float = 2.0
    environment: Mapping[str, str] = field(default_factory=dict)
    lock: Path | None = None


def end_with_parent() -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes a child end with its parent; None off Linux.

    The signal comes when the *thread* that started the child ends: start children from the main
    thread.
    """
    if not sys.platform.startswith("linux"):
        return None
    # Looked up before the fork: a child may not take the loader's lock.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def request_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return request_signal


class Supervised:
    """A service that runs, in its own process group, and is restarted when it ends."""

    def __init__(self, service: Service, *, folder: Path, log: Path) -> None:
        self.service = service
        self.log = log
        self._folder = folder
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._started_at = 0.0
        self._retry_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        service = self.service
        descriptor = self._lock()
        try:
            with self._open_log() as log:
                self._process = subprocess.Popen(
                    service.command,
                    cwd=self._folder,
                    env=dict(service.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=() if descriptor is None else (descriptor,),
                    preexec_fn=end_with_parent(),  # noqa: PLW1509 - this program has one thread
                )
        finally:
            if descriptor is not None:
                os.close(descriptor)
        self._started_at = time.monotonic()
        self._retry_at = None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def restart_if_ended(self) -> bool:
        """Restart the process if it has ended and its pause is over; return whether it was.

        The pause doubles with each early end, up to half a minute. Raises OSError and LockedError
        where it cannot be started now.
        """
        if self.is_alive():
            return False
        now = time.monotonic()
        if self._retry_at is None:
            self._schedule_restart(now)
        if self._retry_at is None or now < self._retry_at:
            return False
        try:
            self.start()
        except (OSError, LockedError):
            self._back_off(now)
            raise
        return True

    def terminate(self) -> None:
        """Send SIGTERM to the process alone: a Celery worker's children must not get it."""
        if self.is_alive():
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole process group at once; a second call does nothing."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _schedule_restart(self, now: float) -> None:
        self.kill()
        if now - self._started_at > _STEADY_SECONDS:
            self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._back_off(now)

    def _back_off(self, now: float) -> None:
        self._retry_at = now + self._backoff_seconds
        self._backoff_seconds = min(2 * self._backoff_seconds, _LONGEST_BACKOFF_SECONDS)

    def _open_log(self) -> IO[bytes]:
        try:
            return self.log.open("ab")
        except OSError:  # no log is no reason not to run
            return Path(os.devnull).open("ab")

    def _lock(self) -> int | None:
        file = self.service.lock
        if file is None:
            return None
        return take_lock(file, patience_seconds=_LOCK_PATIENCE_SECONDS)
