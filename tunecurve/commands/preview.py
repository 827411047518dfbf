"""`tunecurve preview`: what a file holds, before anything is prepared."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.money import money_text
from tunecurve.output import Column, OutputFormat, print_json, print_message, render_table

if TYPE_CHECKING:
    from tunecurve.client import Client

Json = dict[str, Any]
_COLUMNS: dict[str, Column] = {
    "COLUMN": lambda row: row["name"],
    "TYPE": lambda row: row["type"],
    "FILLED": lambda row: row["filled"],
    "DISTINCT": lambda row: row["distinct"],
    "LONGEST": lambda row: row["longest"],
}
_PRESETS: dict[str, Column] = {
    "PRESET": lambda row: row["preset"] + (f" ({row['form']})" if row["form"] else ""),
    "FITS": lambda row: "yes" if row["fits"] else "no",
    "WHY": lambda row: row["why"],
    "COLUMNS": lambda row: ", ".join(f"{ours}={theirs}" for ours, theirs in row["columns"].items()),
}


def preview(
    file: Annotated[str, typer.Argument(help="A data file, which is uploaded, or file_….")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a file's columns, first rows (masked), faults, fitting presets and estimates."""
    with connect(url, key) as client:
        found = client.preview(_file_id(client, file))
    if output is OutputFormat.JSON:
        print_json(found)
        return
    print(render_table(_COLUMNS, found["columns"]))
    print()
    print(render_table(_PRESETS, found["presets"]))
    for row in found["first_rows"]:
        print_message(f"Row, masked: {row}")
    for fault in found["faults"]:
        print_message(f"row {fault['row']}: {fault['message']} ({fault['code']})")
    print_message(_estimated(found["estimate"]))
    print_message(f"File: {found['file']}")


def _file_id(client: "Client", file: str) -> str:
    path = Path(file)
    return str(client.upload(path)["id"]) if path.is_file() else file


def _estimated(estimate: Json) -> str:
    about = "" if estimate["rows_exact"] else "about "
    words = f"{about}{estimate['rows']:,} rows, {estimate['tokens']:,} tokens"
    dollars = estimate["training_dollars"]
    price = "its price is unknown" if dollars is None else f"{money_text(dollars)} dollars"
    return f"Estimated: {words}; one epoch on all of it: {price} ({estimate['base_model']})"
