"""How a job's end is told: by its own event, and in the progress of the parent it has."""

from datetime import datetime

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
    _record(session, job, f"job.{job.state}", event_data(job))
    if parent is not None:
        _record(session, parent, "job.progress", {"progress": parent.progress})


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


def _record(session: Session, job: Job, type_: str, data: dict[str, object]) -> None:
    record_event(session, project_id=job.project_id, type=type_, job_id=job.id, data=data)
