"""Tasks of tuning: `tune` pays for a tuning, `poll` attaches to one."""

from service.catalogue.local_names import LOCAL
from service.container import Container
from service.jobs.ports import JobRun, Waiting
from service.tuning.local_tuning import run_local_tuning
from service.tuning.operations import run_poll, run_tune
from workers.app import app
from workers.gpu import claim_gpu
from workers.job_task import run_job


@app.task(name="tuning.tune")
def tune(job_id: str) -> None:
    run_job(job_id, _tune)


@app.task(name="tuning.poll")
def poll(job_id: str) -> None:
    run_job(job_id, _poll)


def _tune(run: JobRun, services: Container) -> Waiting | None:
    if run.spec.get("provider") == LOCAL:
        claim_gpu()
        run_local_tuning(run, services.local_tuning)
        return None
    return run_tune(run, services.tuning)


def _poll(run: JobRun, services: Container) -> Waiting | None:
    return run_poll(run, services.tuning)
