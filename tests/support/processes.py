"""Processes of ours for tests: forked from one that has imported everything, or started afresh."""

import array
import atexit
import contextlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Protocol

from tests.support.fork_server import MESSAGE_BYTES, end_with_parent

ROOT = Path(__file__).resolve().parents[2]

Output = int | IO[bytes] | IO[str]


class Process(Protocol):
    """What a test does with a process; `subprocess.Popen` does it too."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...


class ForkedProcess:
    """A process of the fork server, which writes its exit status to a pipe."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self._status = status
        self._returned: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raise TimeoutExpired as `subprocess` does."""
        if self._returned is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            # Nothing is written where the server itself was killed, and its processes with it.
            self._returned = int(os.read(self._status, 16) or -signal.SIGKILL)
            os.close(self._status)
        return self._returned

    def send_signal(self, number: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class _ForkClient:
    """The test process's connection to the fork server of its run."""

    def __init__(self) -> None:
        self._control, self.pid = _connected(f"\0tunecurve-tests-{_run_name()}")

    def fork(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        output: int,
        errors: int,
    ) -> ForkedProcess:
        order = {"module": module, "arguments": list(arguments), "env": dict(env)}
        content = json.dumps(order).encode()
        assert len(content) < MESSAGE_BYTES
        status, theirs = os.pipe2(os.O_CLOEXEC)
        socket.send_fds(self._control, [content], [output, errors, theirs])
        os.close(theirs)
        return ForkedProcess(_number_from(self._control), status)

    def close(self) -> None:
        """End what was forked here and is still there, and the server where it is the last."""
        self._control.shutdown(socket.SHUT_WR)
        self._control.recv(1)
        self._control.close()


def _connected(address: str) -> tuple[socket.socket, int]:
    """Return a connection to the fork server at an address, and its id; one is started if needed.

    The address belongs to whoever has bound it first, so that one of several starts the server.
    """
    while True:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            control.connect(address)
            return control, _number_from(control)
        except (ConnectionError, ValueError):  # none is there, or the last client has just left
            control.close()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with listening, contextlib.suppress(OSError):
            listening.bind(address)
            listening.listen()
            _start_fork_server(listening.fileno())
        time.sleep(0.01)


def _start_fork_server(listening: int) -> None:
    """Start one that outlives this process, as others may use it longer."""
    subprocess.run(
        [sys.executable, "-m", "tests.support.fork_server", str(listening)],
        cwd=ROOT,
        env=inherited(),
        pass_fds=[listening],
        start_new_session=True,
        check=True,
    )


def _number_from(control: socket.socket) -> int:
    """Raises ValueError where the other side is gone."""
    (number,) = array.array("i", control.recv(16))
    return number


def _run_name() -> str:
    """Return a name that all processes of pytest-xdist have in common, and no other run."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(16)


@cache
def _fork_client() -> _ForkClient:
    client = _ForkClient()
    atexit.register(client.close)
    return client


def can_fork() -> bool:
    return sys.platform == "linux"


def parent_pid() -> int:
    """Return the process that what `start_process` starts has for its parent."""
    return _fork_client().pid if can_fork() else os.getpid()


def start_process(
    module: str,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    output: Output,
    errors: Output,
    afresh: bool = False,
) -> Process:
    """Run `python -m module` in a session of its own; `afresh` as an operator does, unforked."""
    if can_fork() and not afresh:
        return _fork_client().fork(
            module, arguments, env=env, output=_number(output), errors=_number(errors)
        )
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=dict(env),
        stdout=output,
        stderr=errors,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509  one system call, no locks
    )


def run_process(
    module: str, arguments: Sequence[str], *, env: Mapping[str, str], seconds: float = 300
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m module` to its end, and return its status and what it has written."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start_process(module, arguments, env=env, output=output, errors=errors)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(
            [module, *arguments], status, output.read(), errors.read()
        )


def inherited() -> dict[str, str]:
    """Return the environment without settings of a developer's own stack."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("TUNECURVE_", "GOOGLE_", "STORAGE_EMULATOR"))
    } | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


def _number(output: Output) -> int:
    return output if isinstance(output, int) else output.fileno()
