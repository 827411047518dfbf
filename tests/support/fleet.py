"""A fleet for tests: real worker, ticker and API processes on a real Redis, database, emulator."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2

from tests.support.eventually import eventually

_ROOT = Path(__file__).resolve().parents[2]


def _end_with_parent() -> None:
    """Let a killed test run take its processes along (Linux: PR_SET_PDEATHSIG is 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class FleetProcess:
    """One process in a group of its own, so that a kill reaches its children too."""

    def __init__(
        self, name: str, words: tuple[str, ...], *, env: Mapping[str, str], log: Path
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                cwd=_ROOT,
                env=dict(env),
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  one system call, no locks
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


class Fleet:
    """Starts processes with one environment and ends them all; `env` may be changed between."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = {**_inherited(), **env}
        self.processes: list[FleetProcess] = []
        self.url = ""
        self.key = ""

    def start_worker(
        self, queues: str, *, concurrency: int = 2, name: str = "worker", include: str = ""
    ) -> FleetProcess:
        """Start a worker and return once it reads its queues; `include` names tasks of tests."""
        slots = ("--concurrency", str(concurrency))
        extra = ("--include", include) if include else ()
        words = ("-m", "workers", "--queues", queues, "--name", f"{name}@test", *slots, *extra)
        process = self._start(name, words)
        eventually(
            lambda: b"ready." in process.log.read_bytes() or not process.is_alive(),
            seconds=40,
            what=f"{name} is not ready",
        )
        assert process.is_alive(), process.log.read_text()[-2000:]
        return process

    def start_ticker(self) -> FleetProcess:
        return self._start("ticker", ("-m", "workers.ticker"))

    def start_api(self) -> FleetProcess:
        """Make tables and a key, serve on a free port, return once it is ready."""
        made = subprocess.run(
            [sys.executable, "-m", "api", "migrate"],
            cwd=_ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        self.key = self.key or made.stdout.split("key: ")[1].split()[0]
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        process = self._start("api", ("-m", "api", "serve", "--port", str(port)))
        eventually(self._is_ready, seconds=40, what="the API is not ready")
        return process

    def request(self, method: str, path: str, **options: object) -> httpx2.Response:
        """Ask the API with the fleet's key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.request(
            method,
            f"{self.url}{path}",
            headers=headers,
            timeout=30,
            **options,  # type: ignore[arg-type]
        )

    def logs(self) -> str:
        return "\n".join(process.log.read_text() for process in self.processes)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()

    def _start(self, name: str, words: tuple[str, ...]) -> FleetProcess:
        log = self.folder / f"{name}-{len(self.processes)}.log"
        process = FleetProcess(name, words, env=self.env, log=log)
        self.processes.append(process)
        return process

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False


def _inherited() -> dict[str, str]:
    """The environment without settings of a developer's own stack."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("TUNECURVE_", "GOOGLE_", "STORAGE_EMULATOR"))
    } | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(_ROOT)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def start_fleet(folder: Path, env: Mapping[str, str]) -> Iterator[Fleet]:
    """Yield a fleet without processes; what is started ends with the block."""
    fleet = Fleet(folder, env)
    try:
        yield fleet
    finally:
        fleet.stop()
