"""SQL of jobs. Every change of state is one conditional UPDATE in `move`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.errors import Internal
from service.jobs.lifecycle import OPEN, Reason, State, may_follow
from service.jobs.models import IdempotencyKey, Job
from service.jobs.preemption import Contender

_ON_ITS_WAY = timedelta(seconds=0.3)


class KeyTaken(Exception):  # noqa: N818  a signal, not an error
    """Another request with the same idempotency key has just been committed."""


def add(session: Session, row: Job) -> None:
    session.add(row)
    session.flush()


def add_key(session: Session, row: IdempotencyKey) -> None:
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise KeyTaken from error


def find(session: Session, job_id: str, *, project_id: str | None = None) -> Job | None:
    query = select(Job).where(Job.id == job_id)
    if project_id is not None:
        query = query.where(Job.project_id == project_id)
    return session.scalar(query)


def lock(session: Session, job_id: str, *, project_id: str | None = None) -> Job | None:
    """Return a job locked for the rest of the transaction, to decide by its state."""
    query = select(Job).where(Job.id == job_id).with_for_update(key_share=True)
    if project_id is not None:
        query = query.where(Job.project_id == project_id)
    return session.scalar(query)


def find_key(session: Session, project_id: str, key: str) -> IdempotencyKey | None:
    return session.get(IdempotencyKey, (project_id, key))


def page(
    session: Session,
    project_id: str,
    *,
    states: Sequence[str] = (),
    kinds: Sequence[str] = (),
    parent: str | None = None,
    label: tuple[str, str] | None = None,
    after: str | None = None,
    limit: int = 20,
) -> list[Job]:
    """Return up to `limit` jobs, newest first; `after` is the last id of the page before."""
    query = select(Job).where(Job.project_id == project_id).order_by(Job.id.desc()).limit(limit)
    if not parent:
        query = query.where(~Job.is_shard)
    if states:
        query = query.where(Job.state.in_(states))
    if kinds:
        query = query.where(Job.kind.in_(kinds))
    if parent:
        query = query.where(Job.parent_id == parent)
    if label:
        query = query.where(Job.labels[label[0]].as_string() == label[1])
    if after:
        query = query.where(Job.id < after)
    return list(session.scalars(query))


def states(session: Session, job_ids: Iterable[str]) -> dict[str, str]:
    rows = session.execute(select(Job.id, Job.state).where(Job.id.in_(list(job_ids))))
    return {row.id: row.state for row in rows}


_COUNT_OPEN = select(func.count()).where(  # built once: it is asked with every submission
    Job.project_id == bindparam("project"), Job.state.in_(sorted(OPEN)), ~Job.is_shard
)


def count_open(session: Session, project_id: str) -> int:
    return session.scalar(_COUNT_OPEN, {"project": project_id}) or 0


def move(
    session: Session, job: Job, *, state: State, now: datetime, token: str | None, **values: Any
) -> bool:
    """Change state only if the row is as it was read; return whether it did.

    `token` is the lease that the writer holds, or None for writers that hold none. Raises Internal
    `illegal_move` for a move that the table of `lifecycle` does not have.
    """
    if not may_follow(State(job.state), state):
        raise Internal(f"a {job.state} job cannot become {state}", code="illegal_move")
    if state in {State.SUCCEEDED, State.CANCELLED}:
        values.setdefault("error", None)  # of an attempt before
    return _write(session, job, now, token, state=state.value, **values)


def rewrite(session: Session, job: Job, *, now: datetime, token: str | None, **values: Any) -> bool:
    """Change columns but not the state, on the same condition as `move`."""
    return _write(session, job, now, token, **values)


def _write(session: Session, job: Job, now: datetime, token: str | None, **values: Any) -> bool:
    where: list[ColumnElement[bool]] = [
        Job.id == job.id,
        Job.version == job.version,
        Job.state == job.state,
    ]
    if token is not None:
        where.append(Job.lease_owner == token)
    statement = (
        update(Job)
        .where(and_(*where))
        .values(version=Job.version + 1, updated_at=now, **values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    changed = session.scalar(statement) is not None
    if changed:
        session.refresh(job)
    return changed


def hold(session: Session, job_id: str, token: str) -> bool:
    """Lock the job's row and say whether the lease is still ours."""
    query = select(Job.id).where(Job.id == job_id, Job.lease_owner == token)
    return session.scalar(query.with_for_update(key_share=True)) is not None


def renew(session: Session, job_id: str, token: str, *, until: datetime) -> str | None:
    """Prolong a lease; return the job's state, or None when the lease is lost."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.lease_owner == token)
        .values(lease_until=until)
        .returning(Job.state)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement)


def write_progress(
    session: Session, job_id: str, token: str, *, progress: dict[str, Any], now: datetime
) -> bool:
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.lease_owner == token)
        .values(progress=progress, updated_at=now)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def write_result(session: Session, job_id: str, *, result: Mapping[str, Any]) -> None:
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(result=dict(result))
        .execution_options(synchronize_session=False)
    )


def write_priority(session: Session, job_id: str, priority: int) -> None:
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(priority=priority)
        .execution_options(synchronize_session=False)
    )


def state_of_lease(session: Session, job_id: str, token: str) -> str | None:
    """Return the state of a job whose lease is still ours; None when it is not."""
    return session.scalar(select(Job.state).where(Job.id == job_id, Job.lease_owner == token))


def contenders(
    session: Session, kinds: Iterable[str], *, queue: str, now: datetime, limit: int = 500
) -> tuple[list[Contender], list[Contender]]:
    """Return the jobs of a queue that hold a slot, and those that wait for one.

    A cancelling job without a lease waits for none: it cleans up in another queue.
    """
    # A message takes a moment to a free slot: a job that has just been queued does not wait yet.
    due = and_(
        or_(Job.next_run_at.is_(None), Job.next_run_at <= now),
        Job.updated_at <= now - _ON_ITS_WAY,
    )
    held = and_(Job.lease_until.is_not(None), Job.lease_until >= now)
    query = select(held, Job.id, Job.root_id, Job.priority).where(
        Job.kind.in_(list(kinds)),
        Job.queue == queue,
        or_(
            Job.state == State.RUNNING,
            and_(Job.state == State.CANCELLING, held),
            and_(Job.state == State.QUEUED, due),
        ),
    )
    rows = list(session.execute(query.order_by(held.desc(), Job.priority).limit(limit)))
    running = [Contender(*row[1:]) for row in rows if row[0]]
    return running, [Contender(*row[1:]) for row in rows if not row[0]]


def mark_dispatched(session: Session, job_ids: Sequence[str], *, now: datetime | None) -> None:
    if job_ids:
        session.execute(
            update(Job)
            .where(Job.id.in_(job_ids))
            .values(dispatched_at=now)
            .execution_options(synchronize_session=False)
        )


def hasten(session: Session, reason: Reason, *, now: datetime) -> None:
    """Make the jobs due that wait for a reason."""
    waiting = (Job.state == State.WAITING, Job.reason == reason)
    session.execute(update(Job).where(*waiting).values(next_run_at=now))


def purge_keys(session: Session, *, before: datetime) -> None:
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < before))
