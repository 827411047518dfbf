"""How tickets are sent: after the commit, and again when they must be lost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from service.clock import utc_now
from service.database import Sessions
from service.jobs import family_repository, repository
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.ports import JobKind
from service.task_queue import Queue, TaskQueue

JobKinds = Mapping[str, JobKind]

# Where calls take minutes, the slots of their own queue may be held that long; the steps of
# experiments are short, so a job that only has to be wound down is seen at once.
CLEANUP_QUEUE = Queue.EXPERIMENT


def dispatch(
    jobs: Sequence[Job], *, kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue
) -> int:
    """Send tickets after the commit; what the broker does not take is left to the sweep.

    Jobs are marked first: a quick worker may have parked its job before `send` returns, and a
    mark that came after would keep the sweep from sending the next ticket.
    """
    _mark(jobs, sessions, now=utc_now())
    return _send(jobs, kinds, sessions, task_queue)


def _send(jobs: Sequence[Job], kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue) -> int:
    unsent = [job for job in jobs if not _send_one(job, kinds[job.kind], task_queue)]
    _mark(unsent, sessions, now=None)
    return len(jobs) - len(unsent)


def _mark(jobs: Sequence[Job], sessions: Sessions, *, now: datetime | None) -> None:
    """Mark each in a transaction of its own.

    A job may stand here with its children, and one statement locks its rows in any order: it
    would deadlock with the end of a child, which locks the child before the job.
    """
    for job in jobs:
        with sessions.transaction() as session:
            repository.mark_dispatched(session, [job.id], now=now)


def _send_one(job: Job, kind: JobKind, task_queue: TaskQueue) -> bool:
    if job.state == State.CANCELLING and kind.preemptible:
        return task_queue.send(kind.task, job.id, queue=CLEANUP_QUEUE)
    return task_queue.send(kind.task, job.id, queue=kind.queue, priority=job.priority)


def dispatch_parent(
    job_id: str, *, kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue
) -> None:
    """Send the ticket of a job's parent when that has just been queued by the job's end.

    Also of one that is cancelling and that nobody holds: it may have waited for this end only.
    """
    with sessions.reading() as session:
        parent = family_repository.parent_of(session, job_id)
    if parent is None:
        return
    is_queued = parent.state == State.QUEUED and parent.dispatched_at is None
    if is_queued or (parent.state == State.CANCELLING and parent.lease_owner is None):
        dispatch([parent], kinds=kinds, sessions=sessions, task_queue=task_queue)


def send_due_messages(
    now: datetime,
    *,
    kinds: JobKinds,
    sessions: Sessions,
    task_queue: TaskQueue,
    redispatch_seconds: float,
    limit: int,
) -> int:
    """Send the tickets of jobs of these kinds that have none, or whose must have been lost."""
    sent_before = now - timedelta(seconds=redispatch_seconds)
    with sessions.transaction() as session:
        due = repository.take_due(
            session, kinds=kinds, now=now, sent_before=sent_before, limit=limit
        )
    return _send(due, kinds, sessions, task_queue)
