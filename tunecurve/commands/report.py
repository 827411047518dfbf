"""`tunecurve report`: the page of an experiment or a dataset, saved or opened in a browser."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from tunecurve.commands.jobs import collection_of
from tunecurve.commands.options import KeyOption, UrlOption, connect
from tunecurve.errors import UsageError

_REPORTED = ("experiments", "datasets")


def report(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="An experiment or a dataset.")],
    *,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where to save it; default: ID.html here.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Save the report of an experiment or a dataset as one HTML page."""
    collection = collection_of(identifier)
    if collection not in _REPORTED:
        raise UsageError(
            f"{identifier} has no report; an experiment (exp_…) or a dataset (ds_…) has"
        )
    with connect(url, key) as client:
        file = client.report(collection, identifier, to=out or Path(f"{identifier}.html"))
    print(file)
    if show:
        webbrowser.open(file.resolve().as_uri())
