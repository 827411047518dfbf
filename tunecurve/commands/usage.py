"""`tunecurve usage`: what the project has used and paid."""

from typing import Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.output import Column, OutputFormat, print_json, render_table

_COLUMNS: dict[str, Column] = {
    "DAY": lambda row: row["day"],
    "BASE MODEL": lambda row: row["base_model"],
    "REQUESTS": lambda row: row["requests"],
    "PROMPT TOKENS": lambda row: row["prompt_tokens"],
    "OUTPUT TOKENS": lambda row: row["output_tokens"],
    "TRAINING TOKENS": lambda row: row["training_tokens"],
    "COST": lambda row: row["cost"],
}


def usage(
    *,
    first: Annotated[str | None, typer.Option(help="First UTC day, such as 2026-11-01.")] = None,
    last: Annotated[str | None, typer.Option(help="Last UTC day; today else.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what was used and paid, by day and base model."""
    with connect(url, key) as client:
        told = client.usage(first=first, last=last)
    if output is OutputFormat.JSON:
        print_json(told)
    else:
        print(render_table(_COLUMNS, [*told["days"], _total(told)]))


def _total(told: dict[str, Any]) -> dict[str, Any]:
    return {**told["total"], "day": "total", "base_model": told["currency"]}
