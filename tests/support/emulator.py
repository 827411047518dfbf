"""A real emulator process for tests: start it, ask its ledger, turn its settings, stop it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tests.support import plain_http
from tests.support.ports import reserved_port
from tests.support.processes import Process, inherited, parent_pid, start_process

_ANNOUNCEMENT = "emulator listening on "
_FEW_EPOCHS = ("--default-epochs", "3")  # by itself it takes forty passes over a small file


class EmulatorProcess:
    """The emulator at `url`; its life is tied to this test process."""

    def __init__(self, process: Process, *, url: str) -> None:
        self.process = process
        self.url = url
        self.resets = 0

    def ledger(self) -> dict[str, Any]:
        return self.request("GET", "/_emulator/ledger")

    def configure(self, **settings: Any) -> dict[str, Any]:
        return self.request("POST", "/_emulator/config", settings)

    def reset(self, *, config: bool = True) -> None:
        self.resets += 1
        self.request("POST", "/_emulator/reset", {"config": config})

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the JSON of a successful answer; an error is raised."""
        response = plain_http.request(method, f"{self.url}{path}", json=body, timeout=300)
        response.raise_for_status()
        return cast("dict[str, Any]", response.json())

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def start_again(self, state: Path, **config: Any) -> None:
        """After `stop` or `kill`: serve at the same address what is kept in the folder."""
        self.close()
        port = self.url.rpartition(":")[2]
        with Path(os.devnull).open("w") as errors:
            self.process, _ = _launch(["--port", port, "--state", str(state)], errors=errors)
        self.configure(**config)

    def close(self) -> None:
        """Ask first, so that it removes its temporary folder; then insist."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=300)


@contextmanager
def start_emulator(state: Path | None = None, **config: Any) -> Iterator[EmulatorProcess]:
    """Run an emulator until the block ends; `config` are its settings (see docs/emulator.md).

    Its port is kept for it while it is away between `kill` and `start_again`.
    """
    with reserved_port() as port, tempfile.TemporaryFile("w+") as errors:
        arguments = ["--port", str(port)]
        if state is not None:
            arguments += ["--state", str(state)]
        try:
            process, url = _launch(arguments, errors=errors)
            emulator = EmulatorProcess(process, url=url)
            try:
                emulator.configure(**config)
                yield emulator
            finally:
                emulator.close()
        finally:  # a failing test shows it: a 500 of the emulator's own is asked again
            errors.seek(0)
            sys.stderr.write(errors.read())


def _launch(arguments: Sequence[str], *, errors: IO[str]) -> tuple[Process, str]:
    """Return the process and its URL; raise RuntimeError when it does not announce one."""
    words = [*_FEW_EPOCHS, *arguments, "--parent-pid", str(parent_pid())]
    reading, writing = os.pipe()
    with os.fdopen(reading) as announced:
        process = start_process(
            "emulator", words, env=os.environ | inherited(), output=writing, errors=errors
        )
        os.close(writing)
        line = announced.readline()
    if not line.startswith(_ANNOUNCEMENT):
        process.send_signal(signal.SIGKILL)
        process.wait()
        raise RuntimeError("the emulator did not start; its standard error follows")
    return process, line.removeprefix(_ANNOUNCEMENT).strip()
