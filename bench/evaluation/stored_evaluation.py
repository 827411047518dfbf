"""An evaluation whose answers are stored and that is still to be scored, without any service."""

from dataclasses import replace
from pathlib import Path

from service.catalogue.catalogue import load_catalogue
from service.clock import utc_now
from service.container import Container
from service.datasets.examples import SCHEMA, example_id
from service.datasets.models import Dataset
from service.datasets.presets.pii import PII, template_of
from service.evaluation import answer_repository
from service.evaluation.plans.plan import EvaluationPlan, plan_evaluation
from service.evaluation.ports import EvaluationServices
from service.evaluation.schemas import EvaluateSpec
from service.migrations.upgrade import upgrade
from service.settings import Settings
from service.storage.tables import write_parquet
from tests.support.runs import MemoryRun, add_project, reserve_run

Pair = tuple[str, str, str]
_CHUNK = 5000


def store_evaluation(folder: Path, pairs: list[Pair]) -> None:
    """Store a dataset of these sources and targets, an evaluation of it, and its predictions."""
    services = _container(folder)
    upgrade(services.settings.resolved_database_url)
    project_id = add_project(services.sessions)
    ids = [
        f"{example_id(source, target)[:-7]}{at:07}" for at, (source, target, _) in enumerate(pairs)
    ]
    rows = (
        {
            "id": each,
            "split": "test",
            "position": at,
            "text": f"Text: {source}",
            "target": target,
            "references": [target],
            "group": template_of(target),
            "label": "",
            "row": at + 1,
            "system": "",
            "history": "[]",
            "rejected": "",
        }
        for at, (each, (source, target, _)) in enumerate(zip(ids, pairs, strict=True))
    )
    path = folder / "examples.parquet"
    write_parquet(rows, path, schema=SCHEMA)
    services.store.put_file("datasets/bench.parquet", path, content_type="application/octet-stream")
    spec = {"preset": "pii", "source": {"type": "synthetic"}, "train_sizes": [10]}
    prepared = reserve_run(
        services.kinds["prepare"], spec, project_id=project_id, sessions=services.sessions
    )
    with services.sessions.transaction() as session:
        dataset = session.get_one(Dataset, prepared.outputs["dataset"])
        dataset.examples_key, dataset.fingerprint = "datasets/bench.parquet", "0" * 64
        dataset.splits = {"test": {"rows": len(pairs)}}
        dataset.metrics, dataset.ready_at = list(PII.metrics), utc_now()
    run = reserve_run(
        services.kinds["evaluate"],
        {"dataset": dataset.id, "variant": "zero_shot"},
        project_id=project_id,
        sessions=services.sessions,
    )
    _store_predictions(services, run.outputs["evaluation"], ids, pairs)
    (folder / "run").write_text(
        "\n".join([run.id, project_id, dataset.id, run.outputs["evaluation"]])
    )


def _store_predictions(
    services: Container, evaluation_id: str, ids: list[str], pairs: list[Pair]
) -> None:
    now = utc_now()
    rows = [
        {
            "evaluation_id": evaluation_id,
            "example_id": each,
            "sample": 0,
            "outcome": "ok",
            "text": prediction,
            "finish_reason": "STOP",
            "error": "",
            "prompt_tokens": 100,
            "output_tokens": 20,
            "usage": {},
            "synthetic": True,
            "cached": False,
            "cost_nano": 1000,
            "latency_ms": 100,
            "created_at": now,
        }
        for each, (_, _, prediction) in zip(ids, pairs, strict=True)
    ]
    for start in range(0, len(rows), _CHUNK):
        with services.sessions.transaction() as session:
            answer_repository.insert_answers(session, rows[start : start + _CHUNK])


def open_evaluation(folder: Path) -> tuple[MemoryRun, EvaluationPlan | None, EvaluationServices]:
    """Return the run with its plan, which is None once the evaluation is scored."""
    services = _container(folder)
    job_id, project_id, dataset_id, evaluation_id = (folder / "run").read_text().split()
    outputs = {"evaluation": evaluation_id}
    run = MemoryRun(job_id, project_id, {}, outputs, services.sessions)
    spec = EvaluateSpec.model_validate({"dataset": dataset_id, "variant": "zero_shot"})
    evaluation = services.evaluation_services
    calls = replace(evaluation.calls, catalogue=load_catalogue())
    evaluation = replace(evaluation, calls=calls)
    return run, plan_evaluation(run, spec, services=evaluation), evaluation


def _container(folder: Path) -> Container:
    return Container(Settings(data_dir=folder, storage=f"file:{folder / 'objects'}"))
