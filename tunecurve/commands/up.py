"""`tunecurve up`: run the embedded stack until Ctrl-C."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunecurve.commands.options import DataDirOption
from tunecurve.progress import say
from tunecurve.settings import data_folder, read_environment

if TYPE_CHECKING:
    from tunecurve.stack.state import StackState

DEFAULT_PORT = 8765


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

    environment = read_environment()
    folder = data_folder(environment, chosen=data_dir)
    options = StackOptions(folder, port, emulator=emulator)
    run_stack(options, environment, report=say, announce=_announce)


def _announce(state: "StackState", key: str | None) -> None:
    if key is not None:
        print(f"key: {key}", flush=True)
    print(f"url: {state.url}", flush=True)
    if state.emulator:
        say("SYNTHETIC: Google is emulated on this machine")
    if Path(state.key_file).is_file():
        say(f"the key is kept in {state.key_file}")
    else:
        say(f"no key is kept in {state.key_file}: give commands one with --key or TUNECURVE_KEY")
    say("ready; Ctrl-C stops everything")
