"""The `tunecurve` command: its verbs and exit codes; errors become messages."""

import io
import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from tunecurve.commands import (
    ask,
    backup,
    bundle,
    catalogue,
    clean,
    curves,
    demo,
    doctor,
    export,
    jobs,
    key,
    model_registry,
    preview,
    projects,
    report,
    stack,
    subject,
    usage,
    verdicts,
)
from tunecurve.errors import ExitCode, TunecurveError
from tunecurve.output import print_message

app = typer.Typer(
    name="tunecurve",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    # Plain help: rich would add a fifth of a second to every --help.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:  # noqa: FBT001  typer gives the option's value
    if requested:
        from importlib.metadata import version  # 20 ms that no other command pays

        print(version("tunecurve"))
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Measure how much labelled data you need to fine-tune Gemini."""


app.command("up")(stack.up)
app.command("demo")(demo.demo)
app.command("emulator", context_settings=stack.EMULATOR_SETTINGS)(stack.emulator)
app.command("submit")(jobs.submit)
app.command("preview")(preview.preview)
app.command("watch")(jobs.watch)
app.command("jobs")(jobs.jobs)
app.command("get")(jobs.get)
app.command("approve")(jobs.approve)
app.command("cancel")(jobs.cancel)
app.command("report")(report.report)
app.command("bundle")(bundle.bundle)
app.command("verify")(bundle.verify)
app.command("export")(export.export)
app.command("ask")(ask.ask)
app.command("quotas")(usage.quotas)
app.command("usage")(usage.usage)
app.command("audit")(usage.audit)
app.command("curves")(curves.curves)
app.command("verdicts")(verdicts.verdicts)
app.command("find-subject")(subject.find_subject)
app.command("catalogue")(catalogue.catalogue)
app.add_typer(key.app, name="key")
app.add_typer(projects.app, name="projects")
app.add_typer(model_registry.models, name="models")
app.add_typer(model_registry.alias, name="alias")
app.command("clean")(clean.clean)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("doctor")(doctor.doctor)


def main() -> NoReturn:
    """Run the command line and exit with one of the codes of `ExitCode`."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows a question mark, not a defect.
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def _open_closed_streams() -> None:
    """Read and write nothing where the caller has closed a standard stream (`>&-`).

    The first of the three opened takes the lowest descriptor: no file of ours becomes number 1.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def run(arguments: list[str]) -> int:
    """Run one command; errors become one message on standard error and an exit code."""
    try:
        return _invoke(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # `tunecurve jobs | head`: the reader has closed the pipe. Nothing more may be flushed.
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
            print_message(f"Error: {error}")
            return error.exit_code
        case TyperException():
            return _show_usage(error)
        case OSError():
            print_message(f"Error: {_words_of(error)}")
            return ExitCode.CONFIGURATION
        case _:
            return _defect(error)


def _words_of(error: OSError) -> str:
    words = (error.strerror or str(error)).lower()
    return f"{error.filename}: {words}" if error.filename else words


def _show_usage(error: TyperException) -> int:
    # Typer's public class has no `show`; the usage errors that it raises do, with a hint.
    show = getattr(error, "show", None)
    if callable(show):
        show()
    else:
        print_message(f"Error: {error.format_message()}")
    return ExitCode.USAGE


def _defect(error: Exception) -> int:
    if os.environ.get("TUNECURVE_DEBUG"):
        raise error
    print_message(
        f"Error: a defect in tunecurve ({type(error).__name__}: {error}); "
        "TUNECURVE_DEBUG=1 prints the traceback"
    )
    return ExitCode.DEFECT
