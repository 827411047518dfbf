"""Brings the embedded stack up and holds it until a signal comes."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunecurve.errors import ConfigurationError, TunecurveError
from tunecurve.stack.environment import uses_emulator
from tunecurve.stack.locks import LockedError, locked
from tunecurve.stack.ports import choose_port
from tunecurve.stack.private_files import make_private_folder
from tunecurve.stack.redis import remove_private_socket
from tunecurve.stack.services import HOST
from tunecurve.stack.start import Start
from tunecurve.stack.state import StackState, read_state, remove_state, write_state
from tunecurve.stack.supervisor import Report, StopRequestedError, Supervisor

_SECONDS_FOR_A_KILLED_STACK = 5.0

Environment = Mapping[str, str]
Announce = Callable[[StackState, str | None], None]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`port` 0 picks a free one; `emulator` False leaves it out, for real Google."""

    folder: Path
    port: int
    emulator: bool = True


def lock_file(folder: Path) -> Path:
    return folder / "stack.lock"


def run_stack(
    options: StackOptions, environment: Environment, *, report: Report, announce: Announce
) -> None:
    """Run the stack until a signal comes; `announce` gets its state, and the key the first time.

    Raises ConfigurationError when the folder's stack runs already, a setting is missing or the
    port is taken, and StackError when a process does not come up.
    """
    folder = make_private_folder(options.folder)
    try:
        with locked(lock_file(folder)):
            _run_locked(options, environment, report=report, announce=announce)
    except LockedError as error:
        raise _already_running(folder, error) from error


def _run_locked(
    options: StackOptions, environment: Environment, *, report: Report, announce: Announce
) -> None:
    with_emulator = uses_emulator(environment, wanted=options.emulator)
    port = _free_port(options)
    _forget_killed_stack(options.folder)
    with contextlib.ExitStack() as resources:
        supervisor = resources.enter_context(Supervisor(options.folder, report=report))
        resources.enter_context(supervisor.heeding_signals())
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
    # A killed supervisor's API needs a moment to hear of it and to give the port back.
    killed = read_state(options.folder) is not None
    patience = _SECONDS_FOR_A_KILLED_STACK if killed else 0
    return choose_port(options.port, host=HOST, patience_seconds=patience)


def _forget_killed_stack(folder: Path) -> None:
    """Remove what a supervisor that was killed could not."""
    state = read_state(folder)
    if state is not None:
        remove_private_socket(state.redis)
    remove_state(folder)
