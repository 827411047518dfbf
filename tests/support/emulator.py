"""A real emulator process for tests: start it, ask its ledger, turn its settings, stop it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import httpx2

_ROOT = Path(__file__).resolve().parents[2]
_ANNOUNCEMENT = "emulator listening on "
_FEW_EPOCHS = ("--default-epochs", "3")  # by itself it takes forty passes over a small file


class EmulatorProcess:
    """The emulator at `url`; `parent_pid` ties its life to this test process."""

    def __init__(self, process: "subprocess.Popen[str]", *, url: str) -> None:
        self.process = process
        self.url = url

    def ledger(self) -> dict[str, Any]:
        return self.request("GET", "/_emulator/ledger")

    def configure(self, **settings: Any) -> dict[str, Any]:
        return self.request("POST", "/_emulator/config", settings)

    def reset(self, *, config: bool = True) -> None:
        self.request("POST", "/_emulator/reset", {"config": config})

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the JSON of a successful answer; an error is raised."""
        response = httpx2.request(method, f"{self.url}{path}", json=body, timeout=30)
        response.raise_for_status()
        return cast("dict[str, Any]", response.json())

    def stop(self) -> float:
        """End it with SIGTERM and return the seconds that took."""
        return self._end(signal.SIGTERM)

    def kill(self) -> float:
        return self._end(signal.SIGKILL)

    def start_again(self, state: Path, **config: Any) -> None:
        """After `stop` or `kill`: serve at the same address what is kept in the folder."""
        self.close()
        port = self.url.rpartition(":")[2]
        self.process = _launch(["--port", port, "--state", str(state)], errors=subprocess.DEVNULL)
        _read_url(self.process)
        self.configure(**config)

    def close(self) -> None:
        """Ask first, so that it removes its temporary folder; then insist."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def _end(self, number: signal.Signals) -> float:
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=20)
        return time.monotonic() - started


@contextmanager
def start_emulator(
    state: Path | None = None, *, port: int = 0, **config: Any
) -> Iterator[EmulatorProcess]:
    """Run an emulator until the block ends; `config` are its settings (see docs/emulator.md)."""
    arguments = ["--port", str(port)]
    if state is not None:
        arguments += ["--state", str(state)]
    with tempfile.TemporaryFile("w+") as errors:
        process = _launch(arguments, errors=errors)
        try:
            emulator = EmulatorProcess(process, url=_read_url(process))
        except RuntimeError:
            process.kill()
            process.wait()
            errors.seek(0)
            sys.stderr.write(errors.read())
            raise
        try:
            emulator.configure(**config)
            yield emulator
        finally:
            emulator.close()


def _launch(arguments: Sequence[str], *, errors: IO[str] | int) -> "subprocess.Popen[str]":
    words = [*_FEW_EPOCHS, *arguments, "--parent-pid", str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, "-m", "emulator", *words],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def _read_url(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith(_ANNOUNCEMENT):
        raise RuntimeError("the emulator did not start; its standard error follows")
    return line.removeprefix(_ANNOUNCEMENT).strip()
