"""`tunecurve models` and `tunecurve alias`: where models came from, and the names they have."""

from typing import Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.output import (
    Column,
    OutputFormat,
    interval_text,
    print_json,
    print_message,
    print_object,
    print_rows,
)

Json = dict[str, Any]

models = typer.Typer(no_args_is_help=True, help="Tuned models: list them, see all of one.")
alias = typer.Typer(no_args_is_help=True, help="Names that stand for models, such as pii@best.")

AliasArgument = Annotated[str, typer.Argument(metavar="ALIAS", help="Such as pii@best.")]
_MODELS: dict[str, Column] = {
    "ID": lambda row: row["id"],
    "STATE": lambda row: row["state"],
    "PROVIDER STATE": lambda row: row["provider"].get("state"),
    "PHASE": lambda row: row["provider"].get("phase"),
    "BASE MODEL": lambda row: row["base_model"],
    "TRAIN SIZE": lambda row: row["train_size"],
    "OVERFITTING": lambda row: _since(row.get("overfitting")),
    "DATASET": lambda row: row["dataset"],
    "READY": lambda row: row["ready_at"],
}
_ALIASES: dict[str, Column] = {
    "ALIAS": lambda row: row["name"],
    "MODEL": lambda row: row["model"],
    "UPDATED": lambda row: row["updated_at"],
}
_MOVES: dict[str, Column] = {
    "MOVED": lambda row: row["created_at"],
    "MODEL": lambda row: row["model"] or "(deleted)",
    "BEFORE": lambda row: row["previous"],
    "DIFFERENCE": lambda row: _difference(row["comparison"]),
    "FORCED": lambda row: "yes" if row["forced"] else "no",
}


@models.command("list")
def list_models(
    *,
    state: Annotated[
        str | None, typer.Option(help="Only models that are creating, ready or failed.")
    ] = None,
    provider_state: Annotated[
        str | None, typer.Option(help="Only those in this state, such as JOB_STATE_RUNNING.")
    ] = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List the tuned models with their states, newest first; those still being tuned too."""
    with connect(url, key) as client:
        found = list(client.list("models", state=state, provider_state=provider_state))
    print_rows(found, _MODELS, output=output)


def _since(overfitting: Json | None) -> str | None:
    return f"since step {overfitting['best_step']}" if overfitting else None


@models.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="model_…, or an alias.")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show where a model came from, its names, when it retires, and how Google's client asks it."""
    with connect(url, key) as client:
        found = client.model(model)
    if output is OutputFormat.JSON:
        print_json(found)
        return
    print_object(_shown(found), output=output)
    for line in _lineage_lines(found):
        print(line)
    if found["sdk"]:
        print("\nWith Google's own client:\n")
        print(found["sdk"]["python"].rstrip())
    if found["retirement"] and found["retirement"]["due"]:
        print_message(f"Warning: {found['retirement']['message']}")


def _shown(found: Json) -> Json:
    retirement = found["retirement"]
    return {
        "id": found["id"],
        "aliases": ", ".join(found["aliases"]),
        "state": found["state"],
        "endpoint": found["provider"]["endpoint"],
        "hyperparameters": found["hyperparameters"],
        "checkpoints": len(found["checkpoints"]) or None,
        "retires": retirement and f"{retirement['retires']}, in {retirement['days_left']} days",
        "synthetic": "yes: the emulator made it" if found["synthetic"] else "",
    }


def _lineage_lines(found: Json) -> list[str]:
    """Return model, tuning run, dataset and base model, each made of what stands below it."""
    lineage = found["lineage"]
    tuning, dataset, base = lineage["tuning_run"], lineage["dataset"], lineage["base_model"]
    lines = [f"\n{found['id']}"]
    if tuning:
        lines.append(f"  from tuning run {tuning['id']} ({tuning['state']}, {tuning['resource']})")
    if dataset:
        rows = f"{dataset['train_size']} rows, sha256 {dataset['training_sha256']}"
        lines.append(f"  on {dataset['id']}: {rows}")
    if further := found["continued_from"]:
        at = f" at checkpoint {further['checkpoint']}" if further["checkpoint"] else ""
        lines.append(f"  from model {further['model']}{at}")
    lines.append(f"  of base model {base['name']}")
    return lines


@alias.command("set")
def set_alias(
    name: AliasArgument,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="model_….")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Although it is worse, or was not compared.")
    ] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Have an alias stand for a model.

    It moves only to a model that is not shown to be worse on the same test rows.
    """
    with connect(url, key) as client:
        found = client.set_alias(name, model, force=force)
    if output is OutputFormat.JSON:
        print_json(found)
    else:
        print(f"{found['name']}  {found['model']}")


@alias.command("list")
def list_aliases(
    *, url: UrlOption = None, key: KeyOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """List the aliases."""
    with connect(url, key) as client:
        print_rows(list(client.list("aliases")), _ALIASES, output=output)


@alias.command("history")
def list_moves(
    name: AliasArgument,
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List the moves of an alias, newest first, each with its comparison."""
    with connect(url, key) as client:
        print_rows(list(client.list(f"aliases/{name}/history")), _MOVES, output=output)


@alias.command("delete")
def delete_alias(name: AliasArgument, *, url: UrlOption = None, key: KeyOption = None) -> None:
    """Delete an alias; its history stays."""
    with connect(url, key) as client:
        client.delete("aliases", name)
    print_message(f"{name} is deleted")


def _difference(comparison: Json | None) -> str | None:
    if comparison is None:
        return None
    interval = interval_text(comparison["low"], comparison["high"])
    return f"{comparison['difference']:+.4g} {interval} {comparison['metric']}"
