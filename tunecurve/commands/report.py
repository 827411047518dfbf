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
    save: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            metavar="DIR",
            help="Save the page, every plot (SVG, PNG) and every table (CSV) there.",
        ),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Leave the texts of test rows unmasked.")
    ] = False,
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
    if (save or reveal) and collection != "experiments":
        raise UsageError("`--save` and `--reveal` are for the report of an experiment (exp_…)")
    if save and out:
        raise UsageError("give either `--out` or `--save`")
    if save:
        save.mkdir(parents=True, exist_ok=True)
        out = save / "report.html"
    out = out or Path(f"{identifier}.html")
    with connect(url, key) as client:
        files = [client.report(collection, identifier, to=out, reveal=reveal)]
        if save:
            files += client.report_files(identifier, to=save)
    print(*files, sep="\n")
    if show:
        webbrowser.open(out.resolve().as_uri())
