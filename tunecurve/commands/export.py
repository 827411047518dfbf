"""`tunecurve export`: an experiment in MLflow, one run for each variant."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from tunecurve.commands.jobs import collection_of
from tunecurve.commands.options import KeyOption, UrlOption, connect
from tunecurve.errors import UnreachableError, UsageError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from tunecurve.client import Client

Json = Mapping[str, Any]
_PARAMETERS = ("kind", "base_model", "train_size", "shots", "epochs", "model", "evaluation")
_NUMBERS = ("score", "low", "high", "coverage", "test_rows", "groups")
_SUMMARY = "answer"  # the name of the run that has answer and report
_COSTS = ("per_thousand_calls", "tuning", "prompt_tokens", "output_tokens", "latency_ms")


def export(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT")],
    *,
    mlflow: Annotated[
        str,
        typer.Option(metavar="DIR|URI", help="A folder, or the address of a tracking server."),
    ],
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Write an experiment to MLflow: a run for each variant, and one with answer and report.

    A folder gets a SQLite database, as `mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db`
    reads it. Needs `pip install tunecurve[mlflow]`. A second call adds what a broken one has left
    out, else nothing.
    """
    if collection_of(experiment) != "experiments":
        raise UsageError(f"{experiment} is no experiment (exp_…)")
    with (
        connect(url, key) as client,
        tempfile.TemporaryDirectory() as folder,
        _mlflow_of(mlflow) as tracking,
    ):
        found = client.get("experiments", experiment)
        if found["state"] != "ready":
            raise UsageError(f"{experiment} is {found['state']}: it has no scores to export")
        name = " ".join(filter(None, (found["name"], experiment)))
        known = tracking.get_experiment_by_name(name)
        place = None if "://" in mlflow else (Path(mlflow) / "artifacts").resolve().as_uri()
        made = (
            known.experiment_id
            if known is not None
            else tracking.create_experiment(name, place, tags=_tags(found))
        )
        whole = _whole_runs(tracking, made)
        if _SUMMARY not in whole:
            _write_summary(tracking, made, found, _files(client, experiment, Path(folder)))
        for variant in found["variants"]:
            if variant["name"] not in whole:
                _write_variant(tracking, made, found, variant)
    print(name)


def _whole_runs(tracking: "MlflowClient", made: str) -> set[str]:
    """Return the names of the runs that are whole; those that a break left open are deleted."""
    runs = tracking.search_runs([made])
    for run in runs:
        if run.info.status == "RUNNING":
            tracking.delete_run(run.info.run_id)
    return {run.info.run_name for run in runs if run.info.status != "RUNNING"}


@contextmanager
def _mlflow_of(target: str) -> Iterator["MlflowClient"]:
    """Yield MLflow's client for a folder or an address.

    Raises UsageError without MLflow, and UnreachableError where it cannot read or write.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 14 s; its own 7 take minutes
    try:
        from mlflow.exceptions import MlflowException  # seconds to import, an extra to install
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: pip install tunecurve[mlflow]") from error
    address = target
    if "://" not in target:
        Path(target).mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{Path(target).resolve() / 'mlflow.db'}"
    try:
        yield MlflowClient(tracking_uri=address)
    except (MlflowException, SQLAlchemyError) as error:
        # What it says after the first line is SQL and its values; an address may hold a password.
        place = urlsplit(target).hostname or target
        words = str(error).partition("\n")[0].replace(target, place)[:300]
        message = f"MLflow at {place} fails: {words}; export again, which adds what is missing"
        raise UnreachableError(message) from error


def _files(client: "Client", experiment: str, folder: Path) -> Path:
    client.report("experiments", experiment, to=folder / "report.html")
    client.report_files(experiment, to=folder)
    return folder


def _write_summary(tracking: "MlflowClient", made: str, found: Json, files: Path) -> None:
    summary = tracking.create_run(made, run_name=_SUMMARY, tags=_tags(found)).info.run_id
    tracking.log_artifacts(summary, str(files))
    tracking.set_terminated(summary)


def _write_variant(tracking: "MlflowClient", made: str, found: Json, variant: Json) -> None:
    run = tracking.create_run(made, run_name=variant["name"], tags=_tags(found)).info.run_id
    for name, value in _parameters(variant):
        tracking.log_param(run, name, value)
    for name, number in _metrics(variant, found.get("curve") or {}):
        tracking.log_metric(run, name, number)
    tracking.set_terminated(run, status="FINISHED" if variant["error"] is None else "FAILED")


def _tags(found: Json) -> dict[str, str]:
    tags = {name: found[name] for name in ("answer", "verdict", "metric", "dataset", "id")}
    tags["synthetic"] = str(found["synthetic"]).lower()
    return {f"tunecurve.{name}": value for name, value in tags.items() if value is not None}


def _parameters(variant: Json) -> Iterator[tuple[str, Any]]:
    given = {name: variant.get(name) for name in _PARAMETERS}
    given |= variant.get("hyperparameters") or {}
    return ((name, value) for name, value in given.items() if value is not None)


def _metrics(variant: Json, curve: Json) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a variant; the score has the name of its metric, too."""
    costs = (curve.get("costs") or {}).get(variant["name"]) or {}
    numbers = {name: variant.get(name) for name in _NUMBERS}
    numbers |= {name: costs.get(name) for name in _COSTS}
    if variant.get("metric"):
        numbers[variant["metric"]] = variant["score"]
    return ((name, float(value)) for name, value in numbers.items() if value is not None)
