"""Whose turn it is where jobs of several projects wait for the same slots."""

from typing import NamedTuple

from sqlalchemy import func, select

from service.database import Session
from service.jobs.lifecycle import State
from service.jobs.models import Job

_LOOKED_AT = 500  # a queue's messages, and a few more


class _Named(NamedTuple):
    project_id: str
    kind: str
    queue: str
    state: str


def waits_for_a_slot(session: Session, job_id: str) -> bool:
    """Return whether a job only waits for a slot: others are to be cleaned up or taken over."""
    named = _find(session, job_id)
    return named is not None and named.state == State.QUEUED


def job_in_turn(session: Session, job_id: str) -> str | None:
    """Return which job of the named one's kind and queue is to start now.

    Of equal priority it is one of the project with the fewest jobs running, and of those the
    oldest. None where only the named job's project waits, or none does.
    """
    named = _find(session, job_id)
    if named is None:
        return None
    waiting = _waiting(session, named)
    alone = {project_id for _, project_id in waiting} == {named.project_id}
    if not waiting or (alone and named.state == State.QUEUED):
        return None
    return waiting[0][0]


def _find(session: Session, job_id: str) -> _Named | None:
    query = select(Job.project_id, Job.kind, Job.queue, Job.state).where(Job.id == job_id)
    row = session.execute(query).one_or_none()
    return None if row is None else _Named(*row)


def _waiting(session: Session, named: _Named) -> list[tuple[str, str]]:
    """Return queued jobs whose messages are sent, and their projects, in the order of turns."""
    same = (Job.kind == named.kind, Job.queue == named.queue)
    running = (
        select(Job.project_id, func.count().label("slots"))
        .where(*same, Job.state == State.RUNNING)
        .group_by(Job.project_id)
        .subquery()
    )
    query = (
        select(Job.id, Job.project_id)
        .outerjoin(running, running.c.project_id == Job.project_id)
        .where(*same, Job.state == State.QUEUED, Job.dispatched_at.is_not(None))
        .order_by(Job.priority, func.coalesce(running.c.slots, 0), Job.updated_at, Job.id)
    )
    return [(row[0], row[1]) for row in session.execute(query.limit(_LOOKED_AT))]
