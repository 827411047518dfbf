"""`tunecurve emulator`: run the emulator of Vertex AI and Cloud Storage by itself."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

# What this verb does not know, such as `--latency-seconds 0.2`, is the emulator's own to judge.
SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def emulator(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 0,
    state: Annotated[
        Path | None, typer.Option(help="Folder that keeps everything; else it is forgotten.")
    ] = None,
) -> None:
    """Emulate Vertex AI and Cloud Storage until Ctrl-C; models learn, scores are SYNTHETIC.

    Each of its settings is an option, too (docs/emulator.md): --latency-seconds 0.2.
    """
    command = [sys.executable, "-m", "emulator", "--host", host, "--port", str(port)]
    if state is not None:
        command += ["--state", str(state)]
    sys.stdout.flush()
    # In place of this process: signals, exit code and output are the emulator's own.
    os.execv(sys.executable, [*command, *context.args])  # noqa: S606  (our own interpreter)
