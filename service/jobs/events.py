"""What a job shows of itself: its events, and its part in the progress of its parent."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from service.database import Session
from service.jobs import repository, tree_repository
from service.jobs.lifecycle import TERMINAL, Reason, State
from service.jobs.models import Job
from service.jobs.schemas import event_data
from service.webhooks.event_log import record_event
from service.webhooks.events import EventType

_BETWEEN_REPORTS = timedelta(seconds=1)


def propagate_end(session: Session, job: Job, *, now: datetime) -> None:
    """Record the event of a job that has just ended, after its parent has counted it.

    Rows are locked in one order, child before parent before project (every event locks its
    project), so that none deadlocks.
    """
    parent = _open_parent(session, job)
    if parent is None:
        emit_event(session, job, EventType(f"job.{job.state}"))
        return
    ended, total = tree_repository.count_children(session, parent.id)
    _show(session, parent, _progress(session, job, parent, ended, total), now=now)
    resumed = ended == total and _wake(session, parent, now=now)
    emit_event(session, job, EventType(f"job.{job.state}"))
    emit_event(session, parent, EventType.JOB_PROGRESS, progress=parent.progress)
    if resumed:
        emit_event(session, parent, EventType.JOB_RESUMED)


def emit_shard_progress(session: Session, shard: Job, *, now: datetime) -> None:
    """Add the progress of a running shard to its parent's, once a second at most."""
    parent = _open_parent(session, shard)
    if parent is None or now - parent.updated_at < _BETWEEN_REPORTS:
        return
    _show(session, parent, tree_repository.progress_of_shards(session, parent.id), now=now)
    emit_event(session, parent, EventType.JOB_PROGRESS, progress=parent.progress)


def show_operation(
    session: Session,
    job: Job,
    *,
    progress: dict[str, Any] | None,
    provider: Mapping[str, str] | None,
    now: datetime,
) -> None:
    """Show what the provider of a job's operation has newly said, while no worker runs the job.

    `provider` are its state and phase where they have changed.
    """
    if State(job.state) in TERMINAL:
        return
    if progress is not None and job.lease_owner is None:
        _show(session, job, progress, now=now)
        emit_event(session, job, EventType.JOB_PROGRESS, progress=progress)
    if provider is not None:
        emit_event(session, job, EventType.JOB_PROVIDER_STATE, **provider)


def _open_parent(session: Session, child: Job) -> Job | None:
    parent = repository.lock(session, child.parent_id) if child.parent_id else None
    return None if parent is None or State(parent.state) in TERMINAL else parent


def _progress(session: Session, child: Job, parent: Job, ended: int, total: int) -> dict[str, Any]:
    """Return a parent's progress: what its shards have done, else how many children ended."""
    if child.is_shard:
        return tree_repository.progress_of_shards(session, parent.id)
    return {"done": ended, "total": total, "unit": "jobs", "stage": "children"}


def _show(session: Session, parent: Job, progress: dict[str, Any], *, now: datetime) -> None:
    parent.progress = progress
    parent.updated_at = now
    session.flush()


def _wake(session: Session, parent: Job, *, now: datetime) -> bool:
    """Queue a parent whose last child has ended: its next sweep would be half a second away."""
    if parent.state != State.WAITING or parent.reason != Reason.CHILDREN:
        return False
    values = {"reason": None, "next_run_at": None, "dispatched_at": None, "waits_for": None}
    return repository.move(session, parent, state=State.QUEUED, now=now, token=None, **values)


def emit_event(session: Session, job: Job, type_: EventType, **more: Any) -> None:
    """Record an event about a job, with `more` beside its ids and state.

    A shard emits none: only its parent knows it.
    """
    if job.is_shard:
        return
    record_event(
        session,
        project_id=job.project_id,
        type=type_,
        job_id=job.id,
        data=event_data(job, **more),
    )
