"""How a job is asked to stop, with its children."""

from typing import Any

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Conflict
from service.jobs import repository
from service.jobs.dispatch import JobKinds, dispatch
from service.jobs.family import tell, tell_end
from service.jobs.lifecycle import OPEN, TERMINAL, State
from service.jobs.models import Job
from service.jobs.reading import get_job, required
from service.task_queue import TaskQueue


def cancel_job(
    job_id: str,
    *,
    project_id: str,
    kinds: JobKinds,
    sessions: Sessions,
    task_queue: TaskQueue,
) -> Job:
    """Ask a job, and its children, to stop. A second call changes nothing.

    A queued job without children ends at once; others are `cancelling` until their worker, or
    the provider, has stopped. Raises NotFound, and Conflict `job_finished`.
    """
    with sessions.transaction() as session:
        job = required(repository.lock(session, job_id, project_id=project_id), job_id)
        changed = _ask_to_stop(session, job)
        offspring = [child.id for child in repository.children(session, job_id)]
    for child_id in offspring:
        _cancel_child(child_id, project_id=project_id, sessions=sessions)
    if changed and job.state == State.CANCELLING:
        dispatch([job], kinds=kinds, sessions=sessions, task_queue=task_queue)
    return get_job(job_id, project_id=project_id, sessions=sessions)


def _cancel_child(child_id: str, *, project_id: str, sessions: Sessions) -> None:
    with sessions.transaction() as session:
        child = required(repository.lock(session, child_id, project_id=project_id), child_id)
        if State(child.state) in OPEN:
            _ask_to_stop(session, child)


def _ask_to_stop(session: Session, job: Job) -> bool:
    state, now = State(job.state), utc_now()
    if state in {State.CANCELLING, State.CANCELLED}:
        return False
    if state in TERMINAL:
        raise Conflict(f"{job.id} has already {state}", code="job_finished")
    # A queued job that has run before may have a tuning at the provider: its worker must look.
    untouched = state is State.QUEUED and job.started_at is None
    following = State.CANCELLED if untouched else State.CANCELLING
    values: dict[str, Any] = {"reason": None, "next_run_at": None, "dispatched_at": None}
    if following is State.CANCELLED:
        values["finished_at"] = now
    if not repository.move(session, job, state=following, now=now, token=None, **values):
        raise Conflict(f"{job.id} is changing; ask again", code="job_changing")
    if following is State.CANCELLED:
        tell_end(session, job, now=now)
    else:
        tell(session, job, "job.cancelling")
    return True
