"""SQL of the sweeps over jobs: which lack a message, a living worker, or a reason to wait."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from service.clock_jumps import has_come, has_run_out, is_ahead
from service.jobs.lifecycle import OPEN, TERMINAL, Reason, State
from service.jobs.models import Job
from service.jobs.repository import mark_dispatched
from service.task_queue import Queue

# Made once: an alias of so many columns takes a millisecond, at every tick.
_Awaited, _Child = aliased(Job), aliased(Job)


def has_due(session: Session, *, now: datetime, sent_before: datetime) -> bool:
    """Return whether any job's message must be (re)sent."""
    query = select(Job.id).where(*_is_due(now, sent_before)).limit(1)
    return session.scalar(query) is not None


def take_due(
    session: Session, *, queues: Collection[Queue], now: datetime, sent_before: datetime, limit: int
) -> list[Job]:
    """Mark jobs of some queues whose message must be (re)sent as dispatched now, and return them.

    Due are queued jobs, and cancelling ones that no worker runs, without a message newer than
    `sent_before`.
    """
    query = (
        select(Job)
        .where(Job.queue.in_([queue.value for queue in queues]), *_is_due(now, sent_before))
        .order_by(Job.priority, Job.updated_at, Job.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    jobs = list(session.scalars(query))
    mark_dispatched(session, [job.id for job in jobs], now=now)
    return jobs


def _is_due(now: datetime, sent_before: datetime) -> tuple[ColumnElement[bool], ...]:
    run_at, sent = Job.next_run_at, Job.dispatched_at
    unheld = or_(Job.lease_until.is_(None), Job.lease_until < now)
    return (
        or_(Job.state == State.QUEUED, and_(Job.state == State.CANCELLING, unheld)),
        or_(run_at.is_(None), has_come(run_at, now=now, written=Job.updated_at)),
        or_(sent.is_(None), sent < sent_before, is_ahead(sent, now=now)),
    )


def take_expired(session: Session, *, now: datetime, limit: int) -> list[Job]:
    """Return running jobs whose lease has run out, locked."""
    query = (
        select(Job)
        .where(Job.state == State.RUNNING, has_run_out(Job.lease_until, now=now))
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return list(session.scalars(query))


def take_wakeable(session: Session, *, now: datetime, limit: int) -> list[Job]:
    """Return waiting jobs that have nothing left to wait for, locked."""
    ended = exists().where(_Awaited.id == Job.waits_for, _Awaited.state.in_(list(TERMINAL)))
    open_child = exists().where(_Child.parent_id == Job.id, _Child.state.in_(list(OPEN)))
    query = (
        select(Job)
        .where(
            Job.state == State.WAITING,
            or_(
                has_come(Job.next_run_at, now=now, written=Job.updated_at),
                and_(Job.waits_for.is_not(None), ended),
                and_(Job.reason == Reason.CHILDREN, ~open_child),
            ),
        )
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(of=Job, skip_locked=True, key_share=True)
    )
    return list(session.scalars(query))
