"""Tasks of tuning: one job a ticket, and the poll of all that are due."""

from service.clock import utc_now
from service.container import Container
from service.jobs.ports import JobRun, Waiting
from service.tuning.operations import poll_tunings, run_poll, run_tune
from workers.app import app, container
from workers.job_task import run_job
from workers.sweep_task import left_to_the_next_ticket


@app.task(name="tuning.tune")
def tune(job_id: str) -> None:
    run_job(job_id, _tune)


@app.task(name="tuning.attach")
def attach(job_id: str) -> None:
    run_job(job_id, _attach)


@app.task(name="tuning.poll")
def poll() -> None:
    services = container()
    with left_to_the_next_ticket("tuning.poll"):
        poll_tunings(
            utc_now(), sessions=services.sessions, providers=services.providers, pace=services.pace
        )


def _tune(run: JobRun, services: Container) -> Waiting | None:
    return run_tune(
        run,
        sessions=services.sessions,
        providers=services.providers,
        pace=services.pace,
        store=services.store,
        catalogue=services.catalogue,
    )


def _attach(run: JobRun, services: Container) -> Waiting | None:
    return run_poll(
        run, sessions=services.sessions, providers=services.providers, pace=services.pace
    )
