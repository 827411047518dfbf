"""`tunecurve usage` and `tunecurve quotas`: what was paid, and at which pace calls start."""

from typing import Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.money import money_text
from tunecurve.output import (
    Column,
    OutputFormat,
    Row,
    print_json,
    print_message,
    print_rows,
    render_table,
)


def _quota_state(quota: Row) -> str:
    if quota.get("paused"):
        return "paused"
    if quota["parked_until"]:
        return f"parked until {quota['parked_until']}"
    if quota["slow_start"]:
        return "slow start"
    ceiling = quota["ceiling"]
    return "steady" if ceiling and quota["requests_per_minute"] >= ceiling else "adapting"


def _billed_text(row: Row) -> str:
    """Return whether there is a bill: what the emulator answered costs nothing."""
    if not row.get("synthetic"):
        return "yes"
    if row["synthetic_cost"] == row["known"]:
        return "no: SYNTHETIC"
    return f"all but {money_text(row['synthetic_cost'])} SYNTHETIC"


_USAGE_COLUMNS: dict[str, Column] = {
    "DAY": lambda row: row["day"],
    "BASE MODEL": lambda row: row["base_model"],
    "REQUESTS": lambda row: row["requests"],
    "PROMPT TOKENS": lambda row: row["prompt_tokens"],
    "OUTPUT TOKENS": lambda row: row["output_tokens"],
    "TRAINING TOKENS": lambda row: row["training_tokens"],
    "COST": lambda row: money_text(row["cost"] or row.get("known")),
    "ESTIMATED": lambda row: money_text(row["uncounted"]) if "uncounted" in row else None,
    "UNPRICED": lambda row: ", ".join(row.get("unpriced") or ()) or None,
    "BILLED": _billed_text,
}
_QUOTA_COLUMNS: dict[str, Column] = {
    "LOCATION": lambda quota: quota["location"],
    "BASE MODEL": lambda quota: quota["base_model"],
    "RPM NOW": lambda quota: quota["requests_per_minute"],
    "CEILING": lambda quota: quota["ceiling"],
    "STATE": _quota_state,
    "LAST CUT": lambda quota: quota["last_cut_at"],
    "WAITING": lambda quota: quota["waiting"],
    "IN FLIGHT": lambda quota: quota["in_flight"],
    "WORKERS": lambda quota: quota["processes"],
}


_AUDIT_COLUMNS: dict[str, Column] = {
    "WHEN": lambda entry: entry["created_at"],
    "ACTION": lambda entry: entry["action"],
    "TARGET": lambda entry: entry["target"],
    "PROJECT": lambda entry: entry["project_id"],
    "KEY": lambda entry: entry["key_id"],
    "ADDRESS": lambda entry: entry["address"],
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
        used = client.usage(first=first, last=last)
    if output is OutputFormat.JSON:
        print_json(used)
    else:
        print(render_table(_USAGE_COLUMNS, [*used["days"], _total(used)]))


def quotas(
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the provider's quotas: the rate now, the last cut, what waits and what is in flight."""
    with connect(url, key) as client:
        rows = list(client.list("quotas"))
    print_rows(rows, _QUOTA_COLUMNS, output=output)
    if not rows and output is OutputFormat.TABLE:
        print_message("No calls in the last week.")


def audit(
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show who changed, exported or deleted what, newest first; needs an admin key."""
    with connect(url, key) as client:
        rows = list(client.list("audit"))
    print_rows(rows, _AUDIT_COLUMNS, output=output)


def _total(used: dict[str, Any]) -> dict[str, Any]:
    return {**used["total"], "day": "total", "base_model": used["currency"]}
