"""`tunecurve doctor`: what is set, what is there, what is missing."""

from typing import TYPE_CHECKING

import typer

from tunecurve.commands.options import DataDirOption, KeyOption, OutputOption, UrlOption
from tunecurve.exit_codes import ExitCode
from tunecurve.output import Column, OutputFormat, print_json, render_table
from tunecurve.settings import data_folder, read_environment

if TYPE_CHECKING:
    from tunecurve.diagnosis import Finding


def doctor(
    *,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the settings and what is missing.

    Secrets are masked. Exits with 3 when something is wrong.
    """
    from tunecurve.diagnosis import effective_settings, examine

    environment = read_environment()
    folder = data_folder(environment, chosen=data_dir)
    findings = examine(environment, data_dir=data_dir, url=url, key=key)
    settings = effective_settings(environment, folder=folder)
    if output is OutputFormat.JSON:
        print_json({"checks": [finding.as_json() for finding in findings], "settings": settings})
    else:
        _print(findings, settings)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(ExitCode.CONFIGURATION)


def _print(findings: "list[Finding]", settings: dict[str, str]) -> None:
    checks: dict[str, Column] = {
        "CHECK": lambda row: row["check"],
        "STATE": lambda row: row["state"],
        "DETAIL": lambda row: row["detail"],
    }
    print(render_table(checks, [finding.as_json() for finding in findings]))
    print()
    columns: dict[str, Column] = {
        "SETTING": lambda row: row["name"],
        "VALUE": lambda row: row["value"],
    }
    rows = [{"name": name, "value": value} for name, value in settings.items()]
    print(render_table(columns, rows))
