"""`tunecurve cancel`: ask a job to end."""

from typing import Annotated

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.output import OutputFormat, print_json


def cancel(
    job: Annotated[str, typer.Argument(metavar="JOB")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Ask a job to end.

    Its children and the provider are told too.
    """
    with connect(url, key) as client:
        cancelled = client.cancel(job)
    if output is OutputFormat.JSON:
        print_json(cancelled)
    else:
        print(f"{cancelled['id']}  {cancelled['state']}")
