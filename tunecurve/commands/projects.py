"""`tunecurve projects`: make, list, limit and remove projects, as an administrator."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.errors import ExitCode, UsageError
from tunecurve.output import (
    Column,
    OutputFormat,
    Row,
    print_json,
    print_message,
    print_rows,
    render_table,
)

if TYPE_CHECKING:
    from tunecurve.client import Client

app = typer.Typer(
    help="Make, list, limit and remove projects; needs an admin key of the project default.",
    no_args_is_help=True,
)

_SCOPES = ["read", "write", "admin"]
_NONE = "none"
_COLUMNS: dict[str, Column] = {
    "ID": lambda project: project["id"],
    "NAME": lambda project: project["name"],
    "STATE": lambda project: project["state"],
    "LIMITS": lambda project: _limits_text(project["limits"]),
    "BUCKETS": lambda project: ", ".join(project["buckets"]) or None,
    "HUB DATASETS": lambda project: ", ".join(project["hub_datasets"]) or None,
    "CREATED": lambda project: project["created_at"],
}
_IDENTITY_COLUMNS: dict[str, Column] = {
    "PROJECT": lambda identity: identity["project"],
    "SERVICE ACCOUNT": lambda identity: identity["service_account"],
    "CLOUD PROJECT": lambda identity: identity["cloud_project"],
    "STATE": lambda identity: identity["state"],
    "DETAIL": lambda identity: identity["detail"],
}
_Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Its name or id.")]
_Buckets = Annotated[
    list[str] | None,
    typer.Option("--bucket", help="Bucket or bucket/folder/* that it may read; several times."),
]
_HubDatasets = Annotated[
    list[str] | None,
    typer.Option("--hub-dataset", help="owner/name or owner/* that it may read; several times."),
]
_Limit = Annotated[str | None, typer.Option(help="A number, or none.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, _ and -.")],
    *,
    bucket: _Buckets = None,
    hub_dataset: _HubDatasets = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a project and its first key; the secret is shown only this once."""
    with connect(url, key) as client:
        project = client.create_project(name, buckets=bucket or [], hub_datasets=hub_dataset or [])
        made = client.create_project_key(project["id"], "first key", _SCOPES)
    if output is OutputFormat.JSON:
        print_json({**project, "key": made})
    else:
        print_message(f"{project['id']}: keep its first key, it is not shown again")
        print(made["secret"])


@app.command("list")
def list_projects(
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List projects, what of others they may read, and their limits."""
    with connect(url, key) as client:
        rows = list(client.list("projects"))
    print_rows(rows, _COLUMNS, output=output)


@app.command("limit")
def limit(
    project: _Project,
    *,
    open_jobs: _Limit = None,
    source_rows: _Limit = None,
    dollars_per_month: _Limit = None,
    requests_per_minute: _Limit = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Set or lift limits of a project; those not named stay."""
    changes = _limits(open_jobs, source_rows, dollars_per_month, requests_per_minute)
    if not changes:
        raise UsageError("name a limit, such as --open-jobs 50 or --open-jobs none")
    with connect(url, key) as client:
        found = _find(client, project)
        changed = client.update_project(found["id"], limits={**found["limits"], **changes})
    print_rows([changed], _COLUMNS, output=output)


@app.command("identity")
def identity(
    project: _Project,
    *,
    service_account: Annotated[
        str | None,
        typer.Option(help="Its jobs call Google as it; none: as the installation itself."),
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show or set as whom a project's jobs call Google, and ask Google whether that works."""
    with connect(url, key) as client:
        found = _find(client, project)
        if service_account is not None:
            account = None if service_account == _NONE else service_account
            client.update_project(found["id"], service_account=account)
        shown = client.google_identity(found["id"])
    print_rows([{**shown, "project": found["name"]}], _IDENTITY_COLUMNS, output=output)
    if shown["state"] == "refused":
        raise typer.Exit(ExitCode.CONFIGURATION)


@app.command("remove")
def remove(
    project: _Project,
    *,
    dry_run: Annotated[bool, typer.Option(help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Erase a project with all that it holds, here and at Google; it says first what that is."""
    with connect(url, key) as client:
        found = _find(client, project)
        erasure = client.erase_project(found["id"], dry_run=True)
        if not dry_run:
            if not yes:
                print_message(_contents_table(erasure))
                typer.confirm(f"Erase the project {found['name']} for good?", abort=True, err=True)
            erasure = client.erase_project(found["id"])
    if output is OutputFormat.JSON:
        print_json(erasure)
        return
    print(_contents_table(erasure))
    going = "would be erased" if dry_run else "is being erased; it is gone once `list` lacks it"
    print_message(f"{found['name']} {going}")


def _contents_table(erasure: Row) -> str:
    rows = [{"kind": kind, "count": count} for kind, count in erasure["contents"].items()]
    return render_table({"KIND": lambda row: row["kind"], "COUNT": lambda row: row["count"]}, rows)


def _find(client: "Client", project: str) -> dict[str, Any]:
    known = list(client.list("projects"))
    found = next((each for each in known if project in {each["id"], each["name"]}), None)
    if found is None:
        names = ", ".join(sorted(each["name"] for each in known))
        raise UsageError(f"no project {project!r}; known: {names}")
    return found


def _limits(
    open_jobs: str | None,
    source_rows: str | None,
    dollars_per_month: str | None,
    requests_per_minute: str | None,
) -> dict[str, Any]:
    """Return the limits that were named; `none` lifts one."""
    given = {
        "open_jobs": _number("--open-jobs", open_jobs, int),
        "source_rows": _number("--source-rows", source_rows, int),
        "requests_per_minute": _number("--requests-per-minute", requests_per_minute, float),
        "dollars_per_month": dollars_per_month,
    }
    return {
        name: None if value == _NONE else value
        for name, value in given.items()
        if value is not None
    }


def _number(option: str, text: str | None, kind: type[int] | type[float]) -> Any:
    if text is None or text == _NONE:
        return text
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{option} is a number or none, not {text!r}") from None


def _limits_text(limits: Row) -> str | None:
    return (
        ", ".join(f"{name} {value}" for name, value in limits.items() if value is not None) or None
    )
