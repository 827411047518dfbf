"""The ticker's sweeps of jobs: those whose worker died, and those whose wait is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.database import Session, Sessions, database_now
from service.jobs import repository, sweep_repository
from service.jobs.events import emit_event
from service.jobs.lifecycle import Reason, State
from service.jobs.models import Job
from service.webhooks.events import EventType


def requeue_expired(now: datetime, *, sessions: Sessions, limit: int = 100) -> int:
    """Queue again the running jobs whose lease has run out."""
    with sessions.transaction() as session:
        expired = sweep_repository.take_expired(session, now=now, limit=limit)
        return _queue_all(session, expired, now=now, event=EventType.JOB_WARNING, why="worker_lost")


def wake_due(now: datetime, *, sessions: Sessions, limit: int = 100) -> int:
    """Queue the waiting jobs whose time, input or last child has come."""
    with sessions.transaction() as session:
        return _queue_all(
            session,
            sweep_repository.take_wakeable(session, now=now, limit=limit),
            now=now,
            event=EventType.JOB_RESUMED,
        )


def hasten(reason: Reason, *, sessions: Sessions) -> None:
    """Make all jobs due that wait for a reason: the next sweep wakes them."""
    with sessions.transaction() as session:
        repository.hasten(session, reason, now=database_now(session))


def wake_job(job_id: str, *, sessions: Sessions) -> bool:
    """Let a parked job run now; return False while a worker holds it: ask again.

    A waiting job is queued, a cancelling one is due for a message; for others nothing is needed.
    """
    with sessions.transaction() as session:
        job, now = repository.lock(session, job_id), database_now(session)
        if job is None:
            return True
        if job.lease_until is not None and job.lease_until >= now:
            return False
        if job.state == State.CANCELLING:
            return repository.rewrite(
                session, job, now=now, token=None, next_run_at=None, dispatched_at=None
            )
        if job.state == State.WAITING:
            _queue_all(session, [job], now=now, event=EventType.JOB_RESUMED)
        return True


def _queue_all(
    session: Session, jobs: Sequence[Job], *, now: datetime, event: EventType, **more: Any
) -> int:
    queued = [
        job
        for job in jobs
        if repository.move(
            session,
            job,
            state=State.QUEUED,
            now=now,
            token=None,
            reason=None,
            lease_owner=None,
            lease_until=None,
            next_run_at=None,
            dispatched_at=None,
            waits_for=None,
        )
    ]
    # Events lock their project's row: one order for all sweeps, so that none deadlocks.
    for job in sorted(queued, key=lambda job: job.project_id):
        emit_event(session, job, event, **more)
    return len(queued)


def purge_keys(before: datetime, *, sessions: Sessions) -> None:
    """Forget idempotency keys older than `before`."""
    with sessions.transaction() as session:
        repository.purge_keys(session, before=before)
