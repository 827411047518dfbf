"""`tunecurve submit`, `jobs`, `get`, `watch`, `approve`, `cancel`: jobs, and all with an id."""

import itertools
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunecurve.attempts import attempt_line
from tunecurve.billing import describe_model
from tunecurve.commands.options import KeyOption, OutputOption, TimeoutOption, UrlOption, connect
from tunecurve.errors import ApiError, UsageError, describe_problem
from tunecurve.experiments import describe_evaluation, describe_experiment
from tunecurve.output import Column, OutputFormat, print_json, print_object, print_rows
from tunecurve.progress import (
    cost_text,
    progress_text,
    require_success,
    state_text,
    summary_line,
    wait_for_job,
)

if TYPE_CHECKING:
    from tunecurve.client import Client

_COLLECTIONS = {
    "job": "jobs",
    "file": "files",
    "ds": "datasets",
    "model": "models",
    "eval": "evaluations",
    "exp": "experiments",
    "wh": "webhooks",
    "key": "keys",
}
_COLUMNS: dict[str, Column] = {
    "ID": lambda job: job["id"],
    "KIND": lambda job: job["kind"],
    "VARIANT": lambda job: (job.get("labels") or {}).get("variant", ""),
    "STATE": state_text,
    "PROGRESS": progress_text,
    "COST": cost_text,
    "CREATED": lambda job: job.get("created_at"),
}


class JobKind(StrEnum):
    PREPARE = "prepare"
    TUNE = "tune"
    POLL = "poll"
    EVALUATE = "evaluate"
    EXPERIMENT = "experiment"


def submit(  # noqa: PLR0913 - typer turns each argument into an option
    kind: Annotated[JobKind, typer.Argument(help="What the job does.")],
    *,
    spec: Annotated[str, typer.Option(help="A JSON file, - for standard input, or JSON itself.")],
    extend: Annotated[
        str | None,
        typer.Option(metavar="EXP", help="Add the spec's sizes and variants to this experiment."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; may be given several times.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="The most it may spend with its children, in US dollars.")
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="The hash of a dry run: refused where it has changed since.")
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option(help="US dollars: refused where its plan may cost more.")
    ] = None,
    approval: Annotated[
        bool, typer.Option("--approval", help="Let it wait for `tunecurve approve`.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Submitting again with the same key makes no second job.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only plan it.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Show the job until it ends.")] = False,
    timeout: TimeoutOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Submit a job."""
    body, labels = read_spec(spec), parse_labels(label or [])
    body |= {"extend": extend} if extend else {}
    with connect(url, key) as client:
        job = client.submit(
            kind,
            body,
            labels=labels,
            budget=budget,
            plan=plan,
            max_cost=max_cost,
            approval=approval,
            idempotency_key=idempotency_key,
            dry_run=dry_run,
        )
        if wait and not dry_run:
            job = wait_for_job(client, job["id"], timeout_seconds=timeout)
        result = _experiment_of(client, job) if wait else None
    if dry_run or output is OutputFormat.JSON:
        print_json(job)
    else:
        _print_end(job, result)
    if wait and not dry_run:
        require_success(job)


def jobs(
    *,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Only jobs with this label, NAME=VALUE.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only the children of this job.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List jobs."""
    with connect(url, key) as client:
        found = client.list(
            "jobs", page_limit=min(limit, 100), state=state, kind=kind, label=label, parent=parent
        )
        rows = list(itertools.islice(found, limit))
    print_rows(rows, _COLUMNS, output=output)
    if output is OutputFormat.TABLE:
        for row in rows:
            if line := attempt_line(row):
                print(f"{row['id']}  {line}")


def get(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Its prefix is its kind.")],
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
    if collection == "experiments" and output is OutputFormat.TABLE:
        print(describe_experiment(found))
    elif collection == "evaluations" and output is OutputFormat.TABLE:
        print(describe_evaluation(found))
    elif collection == "models" and output is OutputFormat.TABLE:
        print(describe_model(found))
    elif collection == "jobs" and output is OutputFormat.TABLE:
        error = attempt_line(found) or (found.get("error") and describe_problem(found["error"]))
        print_object(found | {"error": error}, output=output)
    else:
        print_object(found, output=output)


def watch(
    job: Annotated[str, typer.Argument(metavar="JOB")],
    *,
    timeout: TimeoutOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show a job until it ends. Ctrl-C detaches; the job keeps running."""
    with connect(url, key) as client:
        ended = wait_for_job(client, job, timeout_seconds=timeout)
        result = _experiment_of(client, ended)
    if output is OutputFormat.JSON:
        print_json(ended)
    else:
        _print_end(ended, result)
    require_success(ended)


def _print_end(job: dict[str, Any], experiment: dict[str, Any] | None) -> None:
    """Print how a job stands, and what it has made."""
    print(summary_line(job))
    if experiment is not None:
        print(describe_experiment(experiment))
    elif job["state"] == "succeeded":
        for kind, identifier in (job.get("outputs") or {}).items():
            print(f"{kind}  {identifier}")


def approve(
    job: Annotated[str, typer.Argument(metavar="JOB")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let a job run that was submitted with --approval."""
    with connect(url, key) as client:
        approved = client.approve(job)
    if output is OutputFormat.JSON:
        print_json(approved)
    else:
        print(f"{approved['id']}  {approved['state']}")


def cancel(
    job: Annotated[str, typer.Argument(metavar="JOB")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Ask a job to end.

    Its children and its work at the provider end with it.
    """
    with connect(url, key) as client:
        cancelled = client.cancel(job)
    if output is OutputFormat.JSON:
        print_json(cancelled)
    else:
        print(f"{cancelled['id']}  {cancelled['state']}")


def read_spec(source: str) -> dict[str, Any]:
    """Return the specification in a file, on standard input (`-`) or in the text itself.

    Raises UsageError where it cannot be read or is no JSON object.
    """
    try:
        parsed = json.loads(_spec_text(source))
    except OSError as error:
        raise UsageError(f"--spec {source}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"--spec is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise UsageError("--spec is JSON, but no object")
    return parsed


def parse_labels(labels: list[str]) -> dict[str, str]:
    """Return `["a=1"]` as `{"a": "1"}`; raises UsageError for one without `=` or `:`."""
    pairs = [label.replace(":", "=", 1).partition("=") for label in labels]
    for name, separator, _value in pairs:
        if not name or not separator:
            raise UsageError(f"--label {name!r} must look like NAME=VALUE")
    return {name: value for name, _separator, value in pairs}


def _spec_text(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    if source.lstrip().startswith(("{", "[")):
        return source
    return Path(source).read_text(encoding="utf-8")


def collection_of(identifier: str) -> str:
    """Return the collection, such as `experiments` for `exp_…`; raises UsageError otherwise."""
    collection = _COLLECTIONS.get(identifier.partition("_")[0])
    if collection is None or not identifier.replace("_", "").isalnum():
        known = ", ".join(f"{prefix}_…" for prefix in _COLLECTIONS)
        raise UsageError(f"{identifier!r} is not an id; known kinds: {known}")
    return collection


def _experiment_of(client: "Client", job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the experiment that an ended job has made; None for jobs of other kinds."""
    made = (job.get("outputs") or {}).get("experiment") if job.get("kind") == "experiment" else None
    return client.get("experiments", made) if made else None


def _key(client: "Client", identifier: str) -> dict[str, Any]:
    # The API lists keys but shows none by itself.
    for key in client.list("keys"):
        if key["id"] == identifier:
            return key
    raise ApiError(404, "key_not_found", title="Not found", detail=f"there is no key {identifier}")
