"""`tunecurve catalogue`: what the server knows of base models."""

from typing import Annotated

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.output import Column, OutputFormat, Row, print_json, print_message, render_table

_COLUMNS: dict[str, Column] = {
    "BASE MODEL": lambda row: row["name"],
    "STATE": lambda row: _lifecycle(row, "state"),
    "RETIRES": lambda row: _lifecycle(row, "retired") or _lifecycle(row, "retires"),
    "TUNED IN": lambda row: ", ".join(row["tuning"]["regions"]) or None,
    "CALLED AT": lambda row: row["serving_location"],
    "TEMPERATURE": lambda row: row["sampling"]["temperature"],
    "INPUT": lambda row: _price(row, "input"),
    "OUTPUT": lambda row: _price(row, "output"),
    "TRAINING": lambda row: _price(row, "training"),
}


def catalogue(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the base models: state, places and prices in dollars for a million tokens."""
    with connect(url, key) as client:
        known = client.catalogue()
    if as_json or output is OutputFormat.JSON:
        print_json(known)
        return
    print(render_table(_COLUMNS, known["data"]))
    default = known["default"]
    print_message(
        f"Default: {default['base_model']}. Prices: dollars for a million tokens, - where not "
        "known. Sources and dates: --json."
    )
    for warning in default["warnings"]:
        print_message(f"Warning: {warning['message']}")


def _lifecycle(row: Row, name: str) -> object:
    return (row["lifecycle"] or {}).get(name)


def _price(row: Row, name: str) -> object:
    return (row["prices"] or {}).get(name)
