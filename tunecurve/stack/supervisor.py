"""Keeps the stack's processes running, and ends them in the reverse order of their start."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from tunecurve.errors import TunecurveError
from tunecurve.stack.forks import ForkServer
from tunecurve.stack.locks import LockedError
from tunecurve.stack.processes import Service, Supervised

Report = Callable[[str], None]

_PAUSE_SECONDS = 0.1
_TAIL_LINES = 12
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequestedError(Exception):
    """A stop signal came; raised only between two steps, never inside one."""


class StackError(TunecurveError):
    """A process of the stack did not start; the message carries the end of its log."""


class Supervisor:
    """Starts services and, at the end of the `with`, stops them. Use it from the main thread."""

    def __init__(self, folder: Path, *, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._processes: list[Supervised] = []
        self.fork_server: ForkServer | None = None
        self._stopping = False
        self._complaint = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @contextlib.contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """Turn SIGTERM, SIGINT and SIGHUP into StopRequestedError at the next step.

        SIGINT and SIGHUP stay ignored where they are, as `nohup` and a shell's `&` want it.
        """
        previous = {
            number: signal.signal(number, self._request_stop)
            for number in _STOP_SIGNALS
            if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def new_log(self, name: str) -> Path:
        """Return where to write a process's log; that of its last run is kept beside it."""
        log = self._folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        return log

    def pids(self) -> dict[str, int]:
        return {process.service.name: process.pid for process in self._processes}

    def start(self, service: Service) -> Supervised:
        self._report(f"starting {service.name}")
        process = Supervised(service, folder=self._folder, log=self.new_log(service.name))
        process.start(self.fork_server)
        self._processes.append(process)
        return process

    def wait_until(self, probe: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Return once `probe` is true. Raises StackError when a process ends or time is up."""
        deadline = time.monotonic() + seconds
        while not probe():
            self.check()
            if time.monotonic() > deadline:
                raise StackError(f"{what} did not start in {seconds:g} s; see {self._folder}/logs")
            self.pause()

    def check(self) -> None:
        """Raise StackError with the end of its log for a process that has ended."""
        for process in self._processes:
            if not process.is_alive():
                raise StackError(
                    f"{process.service.name} ended while starting; {process.log} ends with:\n"
                    f"{log_tail(process.log)}"
                )

    def watch(self, *, on_restart: Callable[[], None]) -> None:
        """Restart processes that end until a stop signal comes.

        What the machine refuses, such as a write on a full disk, is reported and tried again.
        """
        unpublished = False
        while True:
            self.pause()
            restarted = [self._restart_if_ended(process) for process in self._processes]
            unpublished = unpublished or any(restarted)
            unpublished = unpublished and not self._publish(on_restart)

    def _restart_if_ended(self, process: Supervised) -> bool:
        name = process.service.name
        try:
            restarted = process.restart_if_ended()
        except (OSError, LockedError) as error:
            self._complain(f"{name} cannot be restarted", error)
            return False
        if restarted:
            self._report(f"restarted {name}, which had ended")
        return restarted

    def _publish(self, on_restart: Callable[[], None]) -> bool:
        try:
            on_restart()
        except OSError as error:
            self._complain("the processes' ids cannot be written", error)
            return False
        return True

    def _complain(self, what: str, error: Exception) -> None:
        """Report what is tried again every 0.1 s, once in a row."""
        complaint = f"{what} ({getattr(error, 'strerror', None) or error}); trying again"
        if complaint != self._complaint:
            self._complaint = complaint
            self._report(complaint)

    def pause(self) -> None:
        """Wait 0.1 s. Raises StopRequestedError when a stop signal has come."""
        if self._stopping:
            raise StopRequestedError
        time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """End every process: stage by stage, SIGTERM first, SIGKILL to the group after its grace.

        A second call does nothing.
        """
        for stage in sorted({process.service.stage for process in self._processes}, reverse=True):
            _stop_together([item for item in self._processes if item.service.stage == stage])
        self._processes.clear()
        self.close_fork_server()

    def close_fork_server(self) -> None:
        """End it, if there is one: what is started from now on starts by itself."""
        if self.fork_server is not None:
            self.fork_server.close()
            self.fork_server = None

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def log_tail(log: Path) -> str:
    """Return a log's last lines, indented."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:]) or "  (nothing)"


def _stop_together(processes: list[Supervised]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + max(process.service.grace_seconds for process in processes)
    while time.monotonic() < deadline and any(process.is_alive() for process in processes):
        time.sleep(_PAUSE_SECONDS / 2)
    for process in processes:
        process.kill()
