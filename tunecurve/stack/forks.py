"""The supervisor's side of the fork server: programs that share what they import."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tunecurve.stack.parenthood import adopting_orphans, end_with_parent

MESSAGE_BYTES = 1 << 17  # of one order: with its environment
DESCRIPTORS = 2  # standard output and standard error
_SECONDS_TO_FORK = 60.0  # it imports first


@dataclass(frozen=True, slots=True)
class Order:
    """A Python module to run as `python -m` would."""

    module: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: str

    def encode(self) -> bytes:
        return json.dumps([self.module, self.arguments, self.environment, self.folder]).encode()

    @classmethod
    def decode(cls, content: bytes) -> "Order":
        module, arguments, environment, folder = json.loads(content)
        return cls(module, tuple(arguments), environment, folder)


class AdoptedProcess:
    """A child that this process did not start itself."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, minus the signal's number where one ended it; None: it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self) -> int:
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status


class ForkServer:
    """Forks programs while it lives; without it each has to start by itself."""

    def __init__(
        self, modules: Sequence[str], environment: Mapping[str, str], *, folder: Path, log: Path
    ) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_SECONDS_TO_FORK)
        command = (
            *(sys.executable, "-m", "tunecurve.stack.fork_server"),
            *(str(theirs.fileno()), str(os.getpid()), ",".join(modules)),
        )
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - this program has one thread
            )

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        output: IO[bytes],
        errors: IO[bytes],
    ) -> AdoptedProcess | None:
        """Return the running `python -m MODULE ARGUMENTS`; None where it cannot be forked."""
        _, _, module, *arguments = command
        order = Order(module, tuple(arguments), dict(environment), str(folder)).encode()
        if len(order) > MESSAGE_BYTES:
            return None
        with adopting_orphans():
            try:
                socket.send_fds(self._control, [order], [output.fileno(), errors.fileno()])
                pid = self._control.recv(32)
            except OSError:
                self._process.kill()  # what it has not forked by now it never will
                return None
        return AdoptedProcess(int(pid)) if pid else None

    def close(self) -> None:
        """End the server; what it has forked runs on."""
        self._control.close()
        self._process.kill()
        self._process.wait()
