"""A stack for the length of one command: the one that runs, or one started and stopped here."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tunecurve.errors import ConfigurationError, TunecurveError
from tunecurve.stack.locks import is_locked
from tunecurve.stack.parenthood import end_with_parent
from tunecurve.stack.services import process_environment, require_server
from tunecurve.stack.state import StackState, lock_file, make_private_folder, read_state
from tunecurve.stack.supervisor import Report

_SECONDS_TO_START = 180.0
_SECONDS_TO_STOP = 20.0
_PAUSE_SECONDS = 0.1


@contextlib.contextmanager
def running_stack(
    folder: Path, environment: Mapping[str, str], *, report: Report
) -> Iterator[StackState]:
    """Yield the state of the folder's stack; one that had to be started is stopped afterwards.

    Raises TunecurveError with the exit code of `tunecurve up` when it does not start.
    """
    if is_locked(lock_file(folder)):
        state = _await_state(folder, None)
        report(f"using the stack at {state.url}")
        yield state
        return
    require_server()
    process = _start(make_private_folder(folder), environment)
    try:
        yield _await_state(folder, process)
    finally:
        if process.poll() is None:
            report("stopping the stack")
            _stop(process)


def _start(folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "tunecurve", "up", "--port", "0", "--data-dir", str(folder))
    return subprocess.Popen(
        command,
        env=process_environment(environment),
        stdin=subprocess.DEVNULL,
        # It prints the key there; its progress on standard error is shown.
        stdout=subprocess.DEVNULL,
        # A group of its own: Ctrl-C reaches only the command, which then stops the stack in order.
        start_new_session=True,
        preexec_fn=end_with_parent(),  # noqa: PLW1509 - this program has one thread
    )


def _await_state(folder: Path, process: subprocess.Popen[bytes] | None) -> StackState:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        state = read_state(folder)
        if state is not None and process is None:
            return state
        if state is not None and process is not None and state.pid == process.pid:
            return state
        if process is not None and process.poll() is not None:
            raise _StackFailedError(process.returncode)
        time.sleep(_PAUSE_SECONDS)
    raise ConfigurationError(f"the stack of {folder} did not start in {_SECONDS_TO_START:g} s")


class _StackFailedError(TunecurveError):
    """`tunecurve up` has printed the reason."""

    def __init__(self, status: int) -> None:
        if status > 0:
            self.exit_code = type(self.exit_code)(status)
        super().__init__("the stack did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
