"""`tunecurve key`: make, list, revoke and reset API keys."""

from typing import Annotated

import typer

from tunecurve.commands.options import DataDirOption, KeyOption, OutputOption, UrlOption, connect
from tunecurve.output import Column, OutputFormat, print_json, print_message, print_rows
from tunecurve.settings import data_folder, server_environment

app = typer.Typer(help="Make, list, revoke and reset API keys.", no_args_is_help=True)

_SCOPES = ["read", "write"]
_COLUMNS: dict[str, Column] = {
    "ID": lambda key: key["id"],
    "NAME": lambda key: key["name"],
    "SCOPES": lambda key: ",".join(key["scopes"]),
    "CREATED": lambda key: key.get("created_at"),
    "LAST USED": lambda key: key.get("last_used_at"),
    "REVOKED": lambda key: key.get("revoked_at"),
}


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    *,
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write or admin; may be given several times.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a key; its secret is shown only this once."""
    with connect(url, key) as client:
        made = client.create_key(name, scope or _SCOPES)
    if output is OutputFormat.JSON:
        print_json(made)
    else:
        print_message(f"{made['id']}: keep the key, it is not shown again")
        print(made["secret"])


@app.command("list")
def list_keys(
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List keys, without their secrets."""
    with connect(url, key) as client:
        rows = list(client.list("keys"))
    print_rows(rows, _COLUMNS, output=output)


@app.command("revoke")
def revoke(
    identifier: Annotated[str, typer.Argument(metavar="KEY_ID")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Revoke a key at once."""
    with connect(url, key) as client:
        client.delete("keys", identifier)
    print_message(f"{identifier} is revoked")


@app.command("reset")
def reset(
    *,
    project: Annotated[str, typer.Option(help="Whose admin keys are replaced.")] = "default",
    data_dir: DataDirOption = None,
) -> None:
    """Replace lost admin keys by a new one; run it on the server's machine.

    It writes to the database itself: TUNECURVE_DATABASE_URL, or that of the embedded stack.
    """
    from tunecurve.stack.keys import reset_key

    environment = server_environment()
    secret = reset_key(data_folder(environment, chosen=data_dir), environment, project=project)
    print_message(f"all other admin keys of the project {project} are revoked")
    print(secret)
