"""One process of the stack: how it is started, watched, restarted and stopped."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from tunecurve.stack.forks import ForkServer
from tunecurve.stack.locks import LockedError, take_lock
from tunecurve.stack.parenthood import end_with_parent

_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_LOCK_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Service:
    """What to run. `stage` orders the stop: higher stages end first.

    `lock` is a file whose lock the process itself holds, so that a successor of a killed
    supervisor waits for it before it opens the same folder. `forks` says that the fork server may
    start it: it is a Python module of the server's.
    """

    name: str
    command: tuple[str, ...]
    stage: int
    grace_seconds: float = 2.0
    environment: Mapping[str, str] = field(default_factory=dict)
    lock: Path | None = None
    forks: bool = False


class Process(Protocol):
    """A child of this process: what `subprocess.Popen` says of it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...


class Supervised:
    """A service that runs, in its own process group, and is restarted when it ends."""

    def __init__(self, service: Service, *, folder: Path, log: Path) -> None:
        self.service = service
        self.log = log
        self._folder = folder
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._started_at = 0.0
        self._retry_at: float | None = None
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self, fork_server: ForkServer | None = None) -> None:
        with self._open_log() as log:
            self._process = start_process(
                self.service, fork_server, folder=self._folder, output=log, errors=log
            )
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


def start_process(
    service: Service,
    fork_server: ForkServer | None,
    *,
    folder: Path,
    output: IO[bytes],
    errors: IO[bytes],
) -> Process:
    """Start a service's program, forked where that can be. Raises OSError and LockedError."""
    forked = None
    if service.forks and fork_server is not None:
        forked = fork_server.start(
            service.command, service.environment, folder=folder, output=output, errors=errors
        )
    return forked or _start_afresh(service, folder=folder, output=output, errors=errors)


def _start_afresh(
    service: Service, *, folder: Path, output: IO[bytes], errors: IO[bytes]
) -> Process:
    locks = () if service.lock is None else (_lock(service.lock),)
    try:
        return subprocess.Popen(
            service.command,
            cwd=folder,
            env=dict(service.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            pass_fds=locks,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - this program has one thread
        )
    finally:
        for descriptor in locks:
            os.close(descriptor)


def _lock(file: Path) -> int:
    return take_lock(file, patience_seconds=_LOCK_PATIENCE_SECONDS)
