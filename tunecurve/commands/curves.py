"""`tunecurve curves`: how the training of a model went, or goes."""

from pathlib import Path
from typing import Annotated

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.curves import describe_curves
from tunecurve.output import OutputFormat, print_json, print_message


def curves(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Id of a model.")],
    *,
    csv: Annotated[Path | None, typer.Option(help="Save all points in this CSV file.")] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the training curves of a model.

    Loss and accuracy on training and validation rows, also while it is trained.
    """
    with connect(url, key) as client:
        found = client.curves(model)
        if csv is not None:
            client.save_curves(model, to=csv)
    if output is OutputFormat.JSON:
        print_json(found)
    elif found["series"]:
        print(describe_curves(found))
    else:
        print_message(
            f"{model} has no training curves {'' if found['complete'] else 'yet'}".strip()
        )
