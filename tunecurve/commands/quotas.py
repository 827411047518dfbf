"""`tunecurve quotas`: at which pace calls start, and who waits."""

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.output import Column, OutputFormat, Row, print_rows


def _state(quota: Row) -> str:
    if quota["parked_until"]:
        return f"parked until {quota['parked_until']}"
    if quota["slow_start"]:
        return "slow start"
    ceiling = quota["ceiling"]
    return "steady" if ceiling and quota["requests_per_minute"] >= ceiling else "adapting"


_COLUMNS: dict[str, Column] = {
    "LOCATION": lambda quota: quota["location"],
    "BASE MODEL": lambda quota: quota["base_model"],
    "RPM NOW": lambda quota: quota["requests_per_minute"],
    "CEILING": lambda quota: quota["ceiling"],
    "STATE": _state,
    "LAST CUT": lambda quota: quota["last_cut_at"],
    "WAITING": lambda quota: quota["waiting"],
    "IN FLIGHT": lambda quota: quota["in_flight"],
    "WORKERS": lambda quota: quota["processes"],
}


def quotas(
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the provider's quotas: the rate now, the last cut, what waits and what is in flight."""
    with connect(url, key) as client:
        rows = list(client.quotas())
    print_rows(rows, _COLUMNS, output=output)
    if not rows and output is OutputFormat.TABLE:
        typer.echo("No calls in the last week.", err=True)
