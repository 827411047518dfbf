"""Task messages of jobs: sent after the commit, and again when they seem lost."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from service.database import Sessions, database_now
from service.jobs import repository, sweep_repository, tree_repository
from service.jobs.lifecycle import State
from service.jobs.ports import JobRecord, JobServices
from service.task_queue import Queue

# Where calls take minutes, the slots of their own queue may be held that long; the steps of
# experiments are short, so a job that only has to clean up runs at once.
CLEANUP_QUEUE = Queue.EXPERIMENT


def dispatch(jobs: Sequence[JobRecord], *, services: JobServices) -> int:
    """Send task messages after the commit; what the broker does not take is left to the sweep.

    Jobs are marked first: a quick worker may have parked its job before `send` returns, and a
    mark that came after would keep the sweep from sending the next message.
    """
    _mark(jobs, services.sessions, sent=True)
    return send_marked(jobs, services)


def send_marked(jobs: Sequence[JobRecord], services: JobServices) -> int:
    """Send the messages of jobs that were marked in the transaction that wrote them."""
    unsent = [job for job in jobs if not _send_one(job, services)]
    _mark(unsent, services.sessions, sent=False)
    return len(jobs) - len(unsent)


def _mark(jobs: Sequence[JobRecord], sessions: Sessions, *, sent: bool) -> None:
    """Mark each in a transaction of its own.

    A job may stand here with its children, and one statement locks its rows in any order: it
    would deadlock with the end of a child, which locks the child before the job.
    """
    for job in jobs:
        with sessions.transaction() as session:
            now = database_now(session) if sent else None
            repository.mark_dispatched(session, [job.id], now=now)


def _send_one(job: JobRecord, services: JobServices) -> bool:
    kind, send = services.kinds[job.kind], services.task_queue.send
    if job.state == State.CANCELLING and kind.preemptible:
        return send(kind.task, job.id, queue=CLEANUP_QUEUE)
    return send(kind.task, job.id, queue=Queue(job.queue), priority=job.priority)


def dispatch_parent(job_id: str, *, services: JobServices) -> None:
    """Send the task message of a job's parent that the job's end has just queued.

    Also of a cancelling parent without a lease: it may have waited for this end only.
    """
    with services.sessions.reading() as session:
        parent = tree_repository.parent_of(session, job_id)
    if parent is None:
        return
    is_queued = parent.state == State.QUEUED and parent.dispatched_at is None
    if is_queued or (parent.state == State.CANCELLING and parent.lease_owner is None):
        dispatch([parent], services=services)


def has_due_messages(now: datetime, *, sessions: Sessions, redispatch_seconds: float) -> bool:
    """Return whether any job lacks a task message: only then the queues need a look."""
    sent_before = now - timedelta(seconds=redispatch_seconds)
    with sessions.reading() as session:
        return sweep_repository.has_due(session, now=now, sent_before=sent_before)


def send_due_messages(
    now: datetime,
    *,
    services: JobServices,
    queues: Collection[Queue],
    redispatch_seconds: float,
    limit: int,
) -> int:
    """Send the task messages of jobs of these queues that have none, or whose must be lost."""
    sent_before = now - timedelta(seconds=redispatch_seconds)
    with services.sessions.transaction() as session:
        due = sweep_repository.take_due(
            session, queues=queues, now=now, sent_before=sent_before, limit=limit
        )
    return send_marked(due, services)
