"""Tasks of experiments."""

from service.container import Container
from service.experiments.operations import run_experiment
from service.jobs.ports import JobRun, Waiting
from workers.app import app
from workers.job_task import run_job


@app.task(name="experiments.run")
def run(job_id: str) -> None:
    run_job(job_id, _run)


def _run(run: JobRun, services: Container) -> Waiting | None:
    return run_experiment(
        run,
        store=services.store,
        jobs=services.jobs,
        catalogue=services.catalogue,
        preflight=services.google.of(run.project_id).preflight,
    )
