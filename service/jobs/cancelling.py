"""How a job is asked to stop, with its children and theirs."""

from typing import Any

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Conflict
from service.jobs import family_repository, repository
from service.jobs.dispatch import JobKinds, dispatch
from service.jobs.family import emit_event, propagate_end
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
    """Ask a job, its children, and theirs, to stop. A second call changes nothing.

    A job that nobody runs and that began nothing elsewhere ends at once; others are
    `cancelling` until their worker, or the provider, has stopped. Raises NotFound, and Conflict
    `job_finished`.
    """
    with sessions.transaction() as session:
        job = required(repository.lock(session, job_id, project_id=project_id), job_id)
        stopping = [job] if _ask_to_stop(session, job, kinds) else []
        offspring = family_repository.family(session, job_id)[1:]
    for child_id in offspring:
        stopping += _cancel_child(child_id, kinds=kinds, sessions=sessions)
    unheld = [each for each in stopping if each.state == State.CANCELLING]
    dispatch(unheld, kinds=kinds, sessions=sessions, task_queue=task_queue)
    return get_job(job_id, project_id=project_id, sessions=sessions)


def _cancel_child(child_id: str, *, kinds: JobKinds, sessions: Sessions) -> list[Job]:
    with sessions.transaction() as session:
        child = required(repository.lock(session, child_id), child_id)
        is_open = State(child.state) in OPEN
        return [child] if is_open and _ask_to_stop(session, child, kinds) else []


def _ask_to_stop(session: Session, job: Job, kinds: JobKinds) -> bool:
    state, now = State(job.state), utc_now()
    if state in {State.CANCELLING, State.CANCELLED}:
        return False
    if state in TERMINAL:
        raise Conflict(f"{job.id} has already {state}", code="job_finished")
    following = State.CANCELLED if _may_end_at_once(job, kinds) else State.CANCELLING
    values: dict[str, Any] = {"reason": None, "next_run_at": None, "dispatched_at": None}
    if following is State.CANCELLED:
        values["finished_at"] = now
    if not repository.move(session, job, state=following, now=now, token=None, **values):
        raise Conflict(f"{job.id} is changing; ask again", code="job_changing")
    if following is State.CANCELLED:
        propagate_end(session, job, now=now)
    else:
        emit_event(session, job, "job.cancelling")
    return True


def _may_end_at_once(job: Job, kinds: JobKinds) -> bool:
    """A kind that winds down may have begun something elsewhere once it has run."""
    kind = kinds.get(job.kind)
    untouched = job.started_at is None or (kind is not None and not kind.cleans_up_on_cancel)
    return untouched and job.state in {State.QUEUED, State.WAITING}
