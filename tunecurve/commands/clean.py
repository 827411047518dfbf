"""`tunecurve clean`: delete what is ours at the provider and has no entry any more."""

from typing import Annotated, Any

import typer

from tunecurve.commands.options import DataDirOption, OutputOption
from tunecurve.errors import ExitCode
from tunecurve.output import Column, OutputFormat, print_json, print_message, render_table
from tunecurve.settings import data_folder, server_environment

_COLUMNS: dict[str, Column] = {
    "KIND": lambda row: row["kind"],
    "NAME": lambda row: row["name"],
    "PROJECT": lambda row: row["project"],
    "WHY": lambda row: row["reason"],
}


def clean(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only list.")] = False,
    data_dir: DataDirOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List, or delete, endpoints, models and objects that are ours and have no entry.

    Run it on the server's machine. What another installation may own is left alone.
    """
    from tunecurve.stack.server_commands import clean as clean_up

    environment = server_environment()
    report = clean_up(data_folder(environment, chosen=data_dir), environment, yes=yes)
    if output is OutputFormat.JSON:
        print_json(report)
    elif report["found"]:
        print(render_table(_COLUMNS, report["found"]))
    _summarise(report)
    if report["failed"]:
        raise typer.Exit(ExitCode.SERVER)


def _summarise(report: dict[str, Any]) -> None:
    found, failed = len(report["found"]), report["failed"]
    done = (
        f"deleted {found - len(failed)}"
        if report["deleted"]
        else "nothing is deleted without --yes"
    )
    print_message(f"{found} without an entry; {done}.")
    if report["others"]:
        print_message(f"{report['others']} of other installations or projects are left alone.")
    for each in failed:
        print_message(f"Not deleted: {each['name']}: {each['error']}")
