"""Tasks of tuning: `tune` pays for a tuning, `poll` attaches to one."""

from service.container import Container
from service.jobs.ports import JobRun, Waiting
from service.tuning.operations import run_poll, run_tune
from workers.app import app
from workers.job_task import run_job


@app.task(name="tuning.tune")
def tune(job_id: str) -> None:
    run_job(job_id, _tune)


@app.task(name="tuning.poll")
def poll(job_id: str) -> None:
    run_job(job_id, _poll)


def _tune(run: JobRun, services: Container) -> Waiting | None:
    return run_tune(run, services.tuning)


def _poll(run: JobRun, services: Container) -> Waiting | None:
    return run_poll(run, services.tuning)
