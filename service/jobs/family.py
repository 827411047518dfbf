"""How the outside learns of a job: by its events, and in the progress of its parent."""

from datetime import datetime
from typing import Any

from service.database import Session
from service.jobs import repository
from service.jobs.lifecycle import TERMINAL, State
from service.jobs.models import Job
from service.jobs.schemas import event_data
from service.webhooks.operations import record_event


def tell_end(session: Session, job: Job, *, now: datetime) -> None:
    """Record the event of a job that has just ended, after its parent has counted it.

    Rows are locked in one order, child before parent before project (every event locks its
    project), so that none deadlocks.
    """
    parent = _count_at_parent(session, job, now=now)
    tell(session, job, f"job.{job.state}")
    if parent is not None:
        tell(session, parent, "job.progress", progress=parent.progress)


def _count_at_parent(session: Session, child: Job, *, now: datetime) -> Job | None:
    """Show in an open parent's progress how many of its children have ended, and return it."""
    if child.parent_id is None:
        return None
    parent = repository.lock(session, child.parent_id)
    if parent is None or State(parent.state) in TERMINAL:
        return None
    ended, total = repository.count_children(session, parent.id)
    parent.progress = {"done": ended, "total": total, "unit": "jobs", "stage": "children"}
    parent.updated_at = now
    session.flush()
    return parent


def tell(session: Session, job: Job, type_: str, **more: Any) -> None:
    """Record an event about a job, with `more` beside its ids and state."""
    record_event(
        session,
        project_id=job.project_id,
        type=type_,
        job_id=job.id,
        data=event_data(job, **more),
    )
