"""A fleet for tests: real worker and ticker processes on a real Redis, database and emulator."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.processes import inherited, start_process


class FleetProcess:
    """One process in a group of its own, so that a kill reaches its children too."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        afresh: bool = False,
    ) -> None:
        self.name, self.log = name, log
        module, *arguments = words
        with log.open("ab") as output:
            self._process = start_process(
                module, arguments, env=env, output=output, errors=output, afresh=afresh
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """`kill -9` of the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self.kill()


class ProcessFleet:
    """Starts processes with one environment and ends them all; `env` may be changed between.

    `afresh` starts each as an operator does, where its memory or its start is what counts.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], *, afresh: bool = False) -> None:
        self.folder = folder
        self.env = {**inherited(), **env}
        self.afresh = afresh
        self.processes: list[FleetProcess] = []

    def start_worker(
        self,
        queues: str,
        *,
        concurrency: int = 2,
        name: str = "worker",
        include: str = "",
        afresh: bool = False,
    ) -> FleetProcess:
        """Start a worker and return once it reads its queues; `include` names tasks of tests."""
        extra = ("--include", include) if include else ()
        words = worker_words(queues, name=name, concurrency=concurrency)
        process = self.start(name, (*words, *extra), afresh=afresh)
        eventually(
            lambda: b"ready." in process.log.read_bytes() or not process.is_alive(),
            what=f"{name} is not ready",
        )
        assert process.is_alive(), process.log.read_text()[-2000:]
        return process

    def start_ticker(self) -> FleetProcess:
        return self.start("ticker", ("workers.ticker",))

    def logs(self) -> str:
        return "\n".join(process.log.read_text() for process in self.processes)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()

    def start(self, name: str, words: Sequence[str], *, afresh: bool = False) -> FleetProcess:
        """Start `python -m` with these words, and return at once."""
        log = self.folder / f"{name}-{len(self.processes)}.log"
        unforked = afresh or self.afresh
        process = FleetProcess(name, words, env=self.env, log=log, afresh=unforked)
        self.processes.append(process)
        return process


def worker_words(queues: str, *, name: str, concurrency: int = 2) -> tuple[str, ...]:
    slots = ("--concurrency", str(concurrency))
    return ("workers", "--queues", queues, "--name", f"{name}@test", *slots)


@contextlib.contextmanager
def start_fleet(
    folder: Path, env: Mapping[str, str], *, afresh: bool = False
) -> Iterator[ProcessFleet]:
    """Yield a fleet without processes; what is started ends with the block."""
    fleet = ProcessFleet(folder, env, afresh=afresh)
    try:
        yield fleet
    finally:
        fleet.stop()
