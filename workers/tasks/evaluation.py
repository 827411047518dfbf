"""Tasks of evaluation."""

from typing import Any

from service.container import Container
from service.evaluation.operations import run_ask, run_evaluate
from service.jobs.ports import JobRun, Waiting
from service.task_queue import Queue
from workers.app import app
from workers.gpu import claim_gpu
from workers.job_task import run_job
from workers.memory import save_memory


@app.task(name="evaluation.run", bind=True)
def run(self: Any, job_id: str) -> None:
    is_local = self.request.delivery_info["routing_key"] == Queue.EVALUATE_LOCAL
    run_job(job_id, _run_local if is_local else _run)


def _run(run: JobRun, services: Container) -> Waiting | None:
    _save_memory(services)
    return run_evaluate(run, services=services.evaluation_services)


def _run_local(run: JobRun, services: Container) -> Waiting | None:
    claim_gpu()
    return run_evaluate(run, services=services.evaluation_services)


@app.task(name="evaluation.ask")
def ask(job_id: str) -> None:
    run_job(job_id, _ask)


def _ask(run: JobRun, services: Container) -> Waiting | None:
    _save_memory(services)
    return run_ask(run, services=services.evaluation_services)


def _save_memory(services: Container) -> None:
    save_memory(cloud_storage=services.settings.resolved_storage.startswith("gs://"))
