"""How tickets are sent: after the commit, and again when they must be lost."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from service.clock import utc_now
from service.database import Sessions
from service.jobs import repository
from service.jobs.models import Job
from service.jobs.ports import JobKind
from service.task_queue import TaskQueue

JobKinds = Mapping[str, JobKind]


def dispatch(
    jobs: Sequence[Job], *, kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue
) -> int:
    """Send tickets after the commit; what the broker does not take is left to the sweep.

    Jobs are marked first: a quick worker may have parked its job before `send` returns, and a
    mark that came after would keep the sweep from sending the next ticket.
    """
    with sessions.transaction() as session:
        repository.mark_dispatched(session, [job.id for job in jobs], now=utc_now())
    return _send(jobs, kinds, sessions, task_queue)


def _send(jobs: Sequence[Job], kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue) -> int:
    routed = [(job.id, kinds[job.kind]) for job in jobs]
    unsent = [id_ for id_, kind in routed if not task_queue.send(kind.task, id_, queue=kind.queue)]
    if unsent:
        with sessions.transaction() as session:
            repository.mark_dispatched(session, unsent, now=None)
    return len(jobs) - len(unsent)


def send_due_tickets(
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
