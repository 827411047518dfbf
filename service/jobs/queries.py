"""Jobs as they stand: one, a page, a tree, and whether they have ended."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from service.database import Session, Sessions
from service.errors import Conflict, NotFound
from service.jobs import repository, tree_repository
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job


def get_job(job_id: str, *, project_id: str, sessions: Sessions) -> Job:
    """Return a job of the project, or raise NotFound `job_not_found`."""
    with sessions.reading() as session:
        return find_job(session, job_id, project_id=project_id)


def find_job(session: Session, job_id: str, *, project_id: str) -> Job:
    """Return a job as `get_job` does, inside the caller's transaction."""
    return required(repository.find(session, job_id, project_id=project_id), job_id)


def spec_of(session: Session, job_id: str) -> Mapping[str, Any]:
    """Return the spec of a job inside the caller's transaction; empty where there is no job."""
    job = repository.find(session, job_id)
    return job.spec if job else {}


def required(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise NotFound(f"no job {job_id}", code="job_not_found")
    return job


def count_open_jobs(session: Session, project_id: str) -> int:
    """Return how many jobs of a project have not ended, inside the caller's transaction."""
    return repository.count_open(session, project_id)


def list_jobs(project_id: str, *, sessions: Sessions, **filters: Any) -> list[Job]:
    """Return a page of jobs, newest first; see `repository.page` for the filters."""
    with sessions.reading() as session:
        return repository.page(session, project_id, **filters)


def job_states(job_ids: Iterable[str], *, sessions: Sessions) -> dict[str, State]:
    """Return the states of jobs by id: outputs show themselves by the state of their job."""
    with sessions.reading() as session:
        return {key: State(value) for key, value in repository.states(session, job_ids).items()}


def children_of(job_id: str, *, sessions: Sessions) -> list[Job]:
    with sessions.reading() as session:
        return tree_repository.children(session, job_id)


def subtrees_of(session: Session, job_ids: Collection[str]) -> dict[str, list[str]]:
    """Return by job the ids of itself and its descendants, each after its parent."""
    return tree_repository.subtrees(session, job_ids)


def require_ended(job_id: str, *, sessions: Sessions) -> None:
    """Raise Conflict `not_ready` while a job may still write its output."""
    if job_states([job_id], sessions=sessions).get(job_id) in OPEN:
        raise Conflict("its job has not ended; cancel the job first", code="not_ready")
