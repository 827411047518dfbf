"""`tunecurve get`: anything that has an id."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.errors import ApiError
from tunecurve.ids import collection_of
from tunecurve.output import OutputFormat, print_object

if TYPE_CHECKING:
    from tunecurve.http import Client


def get(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Its prefix tells its kind.")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show anything that has an id.

    A job, file, dataset, model, evaluation, experiment, webhook or key.
    """
    collection = collection_of(identifier)
    with connect(url, key) as client:
        if collection == "keys":
            found = _key(client, identifier)
        else:
            found = client.get(collection, identifier)
    print_object(found, output=output)


def _key(client: "Client", identifier: str) -> dict[str, Any]:
    # The API lists keys but shows none by itself.
    for key in client.list_keys():
        if key["id"] == identifier:
            return key
    raise ApiError(404, "key_not_found", title="Not found", detail=f"there is no key {identifier}")
