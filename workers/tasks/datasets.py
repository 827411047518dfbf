"""Tasks of dataset preparation."""

from service.container import Container
from service.datasets.operations import run_prepare
from service.jobs.ports import JobRun, Waiting
from workers.app import app
from workers.job_task import run_job


@app.task(name="datasets.prepare")
def prepare(job_id: str) -> None:
    run_job(job_id, _prepare)


def _prepare(run: JobRun, services: Container) -> Waiting | None:
    return run_prepare(
        run,
        sessions=services.sessions,
        store=services.store,
        limits=services.file_limits,
        google_project=services.settings.google_cloud_project,
        base_model=services.settings.base_model,
    )
