"""`tunecurve up` and `tunecurve emulator`: the server and the emulator on this machine."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunecurve.commands.options import DataDirOption
from tunecurve.errors import ExitCode, TunecurveError
from tunecurve.output import print_message
from tunecurve.settings import data_folder, server_environment

if TYPE_CHECKING:
    from tunecurve.stack.state import StackState

DEFAULT_PORT = 8765
# Options that this command does not know, such as `--latency-seconds 0.2`, are the emulator's.
EMULATOR_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def up(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the API; 0 picks a free one.")
    ] = DEFAULT_PORT,
    emulator: Annotated[
        bool, typer.Option("--emulator/--no-emulator", help="Emulate Google, or use the real one.")
    ] = True,
    data_dir: DataDirOption = None,
) -> None:
    """Run everything here until Ctrl-C.

    Redis, emulator, API, workers and ticker, under one supervisor.
    """
    from tunecurve.stack.launch import StackOptions, run_stack

    environment = server_environment()
    folder = data_folder(environment, chosen=data_dir)
    options = StackOptions(folder, port, emulator=emulator)
    run_stack(options, environment, report=_report, announce=_announce)


def emulator(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 0,
    state: Annotated[
        Path | None, typer.Option(help="Folder that keeps its state; else in memory.")
    ] = None,
) -> None:
    """Emulate Vertex AI and Cloud Storage until Ctrl-C; models learn, scores are SYNTHETIC.

    Each of its settings is an option, too (docs/emulator.md): --latency-seconds 0.2.
    """
    from tunecurve.stack.services import emulator_command, process_environment, require_server

    require_server()
    command = [*emulator_command(host=host, port=port), *context.args]
    if state is not None:
        command += ["--state", str(state)]
    sys.stdout.flush()
    # In place of this process: signals, exit code and output are the emulator's own.
    os.execve(sys.executable, command, process_environment(os.environ))  # noqa: S606  (our own interpreter)


def _report(message: str) -> None:
    # A terminal that was closed does not end the stack.
    with contextlib.suppress(OSError):
        print_message(message)


def _announce(state: "StackState", key: str | None) -> None:
    if key is not None:
        print(f"key: {key}", flush=True)
    print(f"url: {state.url}", flush=True)
    if state.emulator:
        print_message("SYNTHETIC: Google is emulated on this machine")
    print_message(about_key(state.url, Path(state.key_file)))
    print_message("ready; Ctrl-C stops everything")


def about_key(url: str, file: Path) -> str:
    """Return where the key is kept, and whether it still opens anything."""
    from tunecurve.client import Client

    if not file.is_file():
        return f"no key is kept in {file}: give commands one with --key or TUNECURVE_KEY"
    try:
        with Client(url, file.read_text().strip(), timeout_seconds=5, retries=0) as client:
            client.me()
    except TunecurveError as error:
        if error.exit_code is ExitCode.CONFIGURATION:
            return f"the key in {file} opens nothing any more: `tunecurve key reset` makes another"
    return f"the key is kept in {file}"
