"""The `tunecurve` command: verbs, exit codes, and never a traceback."""

import io
import os
import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from tunecurve.commands import (
    cancel,
    demo,
    doctor,
    emulator,
    get,
    jobs,
    key,
    quotas,
    submit,
    up,
    usage,
    watch,
)
from tunecurve.errors import TunecurveError
from tunecurve.exit_codes import ExitCode
from tunecurve.progress import say

app = typer.Typer(
    name="tunecurve",
    help="Measure how much labelled data you need to fine-tune Gemini.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: rich would add a fifth of a second to every --help.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("emulator", context_settings=emulator.SETTINGS)(emulator.emulator)
app.command("submit")(submit.submit)
app.command("watch")(watch.watch)
app.command("jobs")(jobs.jobs)
app.command("get")(get.get)
app.command("cancel")(cancel.cancel)
app.command("quotas")(quotas.quotas)
app.command("usage")(usage.usage)
app.add_typer(key.app, name="key")
app.command("doctor")(doctor.doctor)


def main() -> NoReturn:
    """Run the command line and exit with the code that `tunecurve.exit_codes` documents."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows a question mark, not a defect.
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; errors become one message on standard error and an exit code."""
    try:
        return _invoke(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # `tunecurve jobs | head`: the reader has what it wanted. Nothing more may be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the outermost edge; a person gets no traceback
        return _explain(error)
    except SystemExit:
        # Typer leaves this way when the pipe broke while a command wrote.
        return ExitCode.OK


def _invoke(arguments: list[str]) -> int:
    result = app(arguments, prog_name="tunecurve", standalone_mode=False)
    sys.stdout.flush()
    return int(result) if isinstance(result, int) else ExitCode.OK


def _explain(error: Exception) -> int:
    match error:
        case TunecurveError():
            say(f"Error: {error}")
            return error.exit_code
        case TyperException():
            return _show_usage(error)
        case OSError():
            say(f"Error: {error}")
            return ExitCode.CONFIGURATION
        case _:
            return _defect(error)


def _show_usage(error: TyperException) -> int:
    # Typer's public class has no `show`; the usage errors that it raises do, with a hint.
    show = getattr(error, "show", None)
    if callable(show):
        show()
    else:
        say(f"Error: {error.format_message()}")
    return ExitCode.USAGE


def _defect(error: Exception) -> int:
    if os.environ.get("TUNECURVE_DEBUG"):
        raise error
    say(
        f"Error: a defect in tunecurve ({type(error).__name__}: {error}); "
        "TUNECURVE_DEBUG=1 shows where"
    )
    return ExitCode.DEFECT
