"""`tunecurve watch`: see a job through."""

from typing import Annotated

import typer

from tunecurve.commands.options import KeyOption, OutputOption, TimeoutOption, UrlOption, connect
from tunecurve.costs import ending_of
from tunecurve.output import OutputFormat, print_json
from tunecurve.waiting import require_success, see_through


def watch(
    job: Annotated[str, typer.Argument(metavar="JOB")],
    *,
    timeout: TimeoutOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a job until it ends. Ctrl-C detaches; the job goes on."""
    with connect(url, key) as client:
        ended = see_through(client, job, timeout_seconds=timeout)
    if output is OutputFormat.JSON:
        print_json(ended)
    else:
        print(ending_of(ended))
    require_success(ended)
