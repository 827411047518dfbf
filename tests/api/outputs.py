"""Finished outputs for the API to show, made as workers make them or written as they would."""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from service.clock import utc_now
from service.datasets.operations import run_prepare
from service.evaluation.models import Evaluation, ScoreRow
from service.evaluation.scoring.row_table import table_schema
from service.experiments.models import Experiment
from service.experiments.report import archive as experiments
from service.jobs.claims import claim_job, finish_job
from service.jobs.leases import LeasedRun
from service.jobs.lifecycle import State
from service.storage.tables import TableSchema, write_parquet
from tests.api.server import PREPARE, Api, Caller, Json


def prepared_dataset(api: Api, caller: Caller, **spec: Any) -> Json:
    """Submit a `prepare` job, be its worker, and return the dataset."""
    job = caller.submit("prepare", {**PREPARE, **spec})
    services = api.services
    claimed = claim_job(job["id"], sessions=services.sessions, lease_seconds=60, attempts_limit=5)
    assert claimed
    with LeasedRun(*claimed, sessions=services.sessions, lease_seconds=60) as run:
        run_prepare(
            run,
            sessions=services.sessions,
            store=services.store,
            limits=services.file_limits,
            google_project="",
            catalogue=services.catalogue,
        )
    finish_job(job["id"], State.SUCCEEDED, token=claimed[1], sessions=services.sessions)
    dataset: Json = caller.get(f"/v1/datasets/{job['outputs']['dataset']}").json()
    return dataset


def finished_evaluation(api: Api, caller: Caller, dataset: str) -> str:
    """Return the id of an evaluation with three answers."""
    job = caller.submit("evaluate", {"dataset": dataset, "variant": "zero_shot"})
    evaluation_id: str = job["outputs"]["evaluation"]
    rows = [answer_row(evaluation_id, position) for position in range(3)]
    key = stored_table(
        api, rows, schema=table_schema(["exact_match"]), key=f"evaluations/{evaluation_id}.parquet"
    )
    with api.services.sessions.transaction() as session:
        row = session.get_one(Evaluation, evaluation_id)
        row.rows, row.outcomes, row.table_key, row.ready_at = 3, {"ok": 3}, key, utc_now()
        session.add(
            ScoreRow(
                evaluation_id=evaluation_id,
                metric="exact_match",
                position=0,
                value=0.5,
                low=0.4,
                high=0.6,
                n=3,
                rows=3,
                coverage=1.0,
                worst=0.5,
                best=0.5,
                method="bootstrap",
            )
        )
    return evaluation_id


def answer_row(evaluation_id: str, position: int, *, metric: str = "exact_match") -> Json:
    """Return a row of an evaluation's table."""
    return {
        "evaluation_id": evaluation_id,
        "variant": "zero_shot",
        "model": None,
        "base_model": "gemini-3.1-flash-lite",
        "group": f"group {position}",
        "label": "",
        "input": f"question {position}",
        "correct": position == 1,
        "scores": {metric: 100.0 * (position == 1)},
        "findings": ["empty"] if position == 2 else [],
        "confidence": None,
        "verbal_confidence": None,
        "logprob": None,
        "cost_usd": 0.001,
        "latency_ms": 120,
        "position": position,
        "example_id": f"ex_{position}",
        "outcome": "ok",
        "prediction": f"=answer {position}",
        "answer": f"=answer {position}",
        "shot_ids": [],
        "references": ["right"],
        "rejected": "",
        "finish_reason": "STOP",
        "error": "",
        "samples": 1,
        "agreement": 1,
        "prompt_tokens": 5,
        "output_tokens": 2,
        "synthetic": True,
        "cached": False,
        "answered_at": utc_now(),
    }


def finished_experiment(api: Api, caller: Caller, dataset: str) -> str:
    """Return the id of an experiment with a page and a table."""
    job = caller.submit("experiment", {"dataset": dataset})
    experiment_id: str = job["outputs"]["experiment"]
    point: Json = dict.fromkeys(experiments.TABLE.columns) | {
        "experiment_id": experiment_id,
        "metric": "exact_match",
        "synthetic": True,
        "name": "zero-shot",
        "kind": "zero_shot",
        "value": 0.5,
    }
    table_key = f"experiments/{experiment_id}.parquet"
    stored_table(api, [point], schema=experiments.TABLE, key=table_key)
    page_key = f"experiments/{experiment_id}.html"
    _put(api, page_key, b"<!doctype html><title>curve</title>")
    with api.services.sessions.transaction() as session:
        row = session.get_one(Experiment, experiment_id)
        row.answer, row.curve, row.ready_at = "Tune.", {"metric": "exact_match"}, utc_now()
        row.report_key, row.table_key = page_key, table_key
    return experiment_id


def add_archive(api: Api, experiment_id: str, name: str, content: bytes) -> None:
    """Give an experiment's report a file."""
    archive, key = io.BytesIO(), f"experiments/{experiment_id}.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, content)
    _put(api, key, archive.getvalue())
    with api.services.sessions.transaction() as session:
        session.get_one(Experiment, experiment_id).archive_key = key


def stored_table(api: Api, rows: list[Json], *, schema: TableSchema, key: str) -> str:
    """Store rows as a Parquet table; return its key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet(rows, path, schema=schema)
        _put(api, key, path.read_bytes())
    return key


def _put(api: Api, key: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        path.write_bytes(content)
        api.services.store.put_file(key, path, content_type="application/octet-stream")
