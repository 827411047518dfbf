"""`tunecurve submit`: hand in a job."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tunecurve.commands.options import KeyOption, OutputOption, TimeoutOption, UrlOption, connect
from tunecurve.costs import ending_of
from tunecurve.errors import UsageError
from tunecurve.output import OutputFormat, print_json
from tunecurve.waiting import require_success, see_through


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
    label: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; may be given several times.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="The most it may spend with its children, in US dollars.")
    ] = None,
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
    with connect(url, key) as client:
        job = client.submit(
            kind,
            body,
            labels=labels,
            budget=budget,
            idempotency_key=idempotency_key,
            dry_run=dry_run,
        )
        if wait and not dry_run:
            job = see_through(client, job["id"], timeout_seconds=timeout)
    if dry_run or output is OutputFormat.JSON:
        print_json(job)
    else:
        print(ending_of(job))
    if wait and not dry_run:
        require_success(job)


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
        raise UsageError("--spec is JSON, but not an object")
    return parsed


def parse_labels(labels: list[str]) -> dict[str, str]:
    """Return `["a=1"]` as `{"a": "1"}`; raises UsageError for one without `=`."""
    pairs = [label.partition("=") for label in labels]
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
