"""Runs the embedded stack until a signal comes: one stack for each data folder."""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunecurve.errors import ConfigurationError, TunecurveError
from tunecurve.stack.locks import LockedError, locked
from tunecurve.stack.redis import remove_private_socket
from tunecurve.stack.services import HOST, require_server, uses_emulator
from tunecurve.stack.start import Start
from tunecurve.stack.state import (
    StackState,
    lock_file,
    make_private_folder,
    read_state,
    remove_state,
    write_state,
)
from tunecurve.stack.supervisor import Report, StopRequestedError, Supervisor

_SECONDS_FOR_A_KILLED_STACK = 5.0
_PAUSE_SECONDS = 0.1

Environment = Mapping[str, str]
Announce = Callable[[StackState, str | None], None]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`port` 0 picks a free one; `emulator` False leaves it out, for real Google."""

    folder: Path
    port: int
    emulator: bool = True


def run_stack(
    options: StackOptions, environment: Environment, *, report: Report, announce: Announce
) -> None:
    """Run the stack until a signal comes; `announce` gets its state, and the key the first time.

    Raises ConfigurationError when the server is not installed, the folder's stack runs already, a
    setting is missing or the port is taken, and StackError when a process does not start.
    """
    require_server()
    os.umask(0o077)  # for all that the stack's processes write
    folder = make_private_folder(options.folder)
    try:
        with locked(lock_file(folder)):
            _run_locked(options, environment, report=report, announce=announce)
    except LockedError as error:
        raise _already_running(folder, error) from error


def _run_locked(
    options: StackOptions, environment: Environment, *, report: Report, announce: Announce
) -> None:
    with_emulator = uses_emulator(environment, enabled=options.emulator)
    port = _free_port(options)
    _clean_up_killed_stack(options.folder)
    with contextlib.ExitStack() as resources:
        supervisor = resources.enter_context(Supervisor(options.folder, report=report))
        resources.enter_context(supervisor.stopping_on_signals())
        resources.callback(remove_state, options.folder)
        with contextlib.suppress(StopRequestedError):
            start = Start(options.folder, environment, supervisor, resources)
            parts = start.parts(with_emulator=with_emulator)
            key = start.services(parts, port=port)

            def publish() -> None:
                write_state(options.folder, start.state(parts, port=port))

            publish()
            announce(start.state(parts, port=port), key)
            supervisor.watch(on_restart=publish)
        remove_state(options.folder)
        report("stopping")


def _already_running(folder: Path, error: LockedError) -> TunecurveError:
    state = read_state(folder)
    place = f" at {state.url}" if state else ""
    return ConfigurationError(
        f"the stack of {folder} runs already{place} (process {error.holder or 'unknown'}); "
        "use it, or choose another folder with --data-dir"
    )


def _free_port(options: StackOptions) -> int:
    # The API of a killed supervisor ends, and frees the port, a moment later.
    killed = read_state(options.folder) is not None
    patience = _SECONDS_FOR_A_KILLED_STACK if killed else 0
    return choose_port(options.port, host=HOST, patience_seconds=patience)


def _clean_up_killed_stack(folder: Path) -> None:
    """Remove the state and the socket that a killed supervisor left."""
    state = read_state(folder)
    if state is not None:
        remove_private_socket(state.redis)
    remove_state(folder)


def choose_port(port: int, *, host: str, patience_seconds: float = 0) -> int:
    """Return the port if it is free, or any free one for 0.

    Raises ConfigurationError naming a port that is still taken after `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            with socket.create_server((host, port)) as server:
                return int(server.getsockname()[1])
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            if time.monotonic() >= deadline:
                raise ConfigurationError(
                    f"port {port} cannot be used ({error.strerror}); choose another with --port "
                    "(0 picks a free one)"
                ) from error
        time.sleep(_PAUSE_SECONDS)
