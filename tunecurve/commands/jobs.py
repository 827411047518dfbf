"""`tunecurve jobs`: the jobs there are."""

import itertools
from typing import Annotated

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.costs import cost_of
from tunecurve.output import Column, OutputFormat, print_rows
from tunecurve.progress import progress_of, standing_of

_COLUMNS: dict[str, Column] = {
    "ID": lambda job: job["id"],
    "KIND": lambda job: job["kind"],
    "VARIANT": lambda job: (job.get("labels") or {}).get("variant", ""),
    "STATE": standing_of,
    "PROGRESS": progress_of,
    "COST": cost_of,
    "CREATED": lambda job: job.get("created_at"),
}


def jobs(
    *,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Only jobs with this label, NAME:VALUE.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only the children of this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List jobs."""
    with connect(url, key) as client:
        found = client.jobs(
            page_limit=min(limit, 100), state=state, kind=kind, label=label, parent=parent
        )
        rows = list(itertools.islice(found, limit))
    print_rows(rows, _COLUMNS, output=output)
