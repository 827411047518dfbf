"""Tasks of dataset preparation."""

from service.container import Container
from service.datasets.operations import purge_shard_files, run_draft, run_prepare
from service.jobs.ports import JobRun, Waiting
from workers.app import app, container
from workers.job_task import run_job
from workers.memory import memory_limit
from workers.sweep_task import left_to_the_next_message


@app.task(name="datasets.prepare")
def prepare(job_id: str) -> None:
    run_job(job_id, _prepare)


@app.task(name="datasets.draft")
def draft(job_id: str) -> None:
    run_job(job_id, _convert)


@app.task(name="datasets.purge")
def purge() -> None:
    services = container()
    with left_to_the_next_message("datasets.purge"):
        purge_shard_files(sessions=services.sessions, store=services.store)


def _prepare(run: JobRun, services: Container) -> Waiting | None:
    google = services.google.of(run.project_id)
    with memory_limit(services.settings.prepare_memory_bytes):
        return run_prepare(
            run,
            sessions=services.sessions,
            store=services.store,
            limits=services.ingestion_limits,
            google_project=google.project,
            google_account=google.account,
            catalogue=services.catalogue,
            base_model=services.settings.base_model,
            count_tokens=google.token_counter,
            sharding=services.prepare_sharding,
            hub=services.hub,
        )


def _convert(run: JobRun, services: Container) -> Waiting | None:
    with memory_limit(services.settings.prepare_memory_bytes):
        return run_draft(run, store=services.store, catalogue=services.catalogue)
