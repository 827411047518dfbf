"""Processes of ours for tests: forked from one that has imported everything, or started afresh."""

import array
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
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
    """The test process's side of its fork server."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=inherited(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._server.pid

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
        (pid,) = array.array("i", self._control.recv(16))
        return ForkedProcess(pid, status)

    def close(self) -> None:
        """End the server, and what it has forked and is still there."""
        self._control.close()
        self._server.wait()


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
