"""`tunecurve verdicts`: what people say of answers that a model has judged."""

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.errors import UsageError
from tunecurve.experiments import judge_table
from tunecurve.output import Column, OutputFormat, print_json, print_rows

Json = dict[str, Any]
_COLUMNS: dict[str, Column] = {
    "EXAMPLE": lambda row: row["example_id"],
    "RATER": lambda row: row["rater"],
    "VERDICT": lambda row: row["verdict"],
    "JUDGE": lambda row: row["judge"],
}


def verdicts(
    evaluation: Annotated[str, typer.Argument(metavar="EVALUATION")],
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV or JSON Lines with example_id, verdict, perhaps rater."),
    ] = None,
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Store people's verdicts and print what the judge is worth; without a FILE list them."""
    with connect(url, key) as client:
        if file is None:
            print_rows(client.verdicts(evaluation), _COLUMNS, output=output)
            return
        report = client.put_verdicts(evaluation, _read(file))
    if output is OutputFormat.JSON:
        print_json(report)
    else:
        print(judge_table([{**report, "variant": evaluation}]))


def _read(file: Path) -> list[Json]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            if file.suffix == ".csv":
                found = [dict(row) for row in csv.DictReader(stream)]
            else:
                found = [dict(json.loads(line)) for line in stream if line.strip()]
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    return [_numbered(row, number) for number, row in enumerate(found, start=1)]


def _numbered(row: Json, number: int) -> Json:
    """Return a row with its grade as a number, and without cells that are empty."""
    if not row.get("verdict"):
        raise UsageError(f"row {number} has no `verdict`")
    said = str(row["verdict"]).strip()
    return {name: value for name, value in row.items() if value not in {None, ""}} | {
        "verdict": int(said) if said.isdigit() else said
    }
