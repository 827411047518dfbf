"""SQL of the records of paid operations, whichever table they are in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.orm import Session

from service.clock_jumps import has_come
from service.jobs.lifecycle import OPEN
from service.jobs.models import Job, PaidOperationRow, ProviderCircuit
from service.jobs.paid_operations.states import OperationState

Row = TypeVar("Row", bound=PaidOperationRow)


def find(session: Session, table: type[Row], job_id: str) -> Row | None:
    """Return the record of a job's operation."""
    return session.scalar(select(table).where(table.job_id == job_id))


def add(session: Session, row: PaidOperationRow) -> None:
    session.add(row)
    session.flush()


def change(session: Session, row: Row, **values: Any) -> Row:
    """Set columns of a record as it stands now, and return it."""
    current = session.scalars(
        select(type(row)).where(type(row).job_id == row.job_id).with_for_update()
    ).one()
    for name, value in values.items():
        setattr(current, name, value)
    session.flush()
    return current


_OF_THE_OPERATION = (
    "resource_name", "provider_state", "phase", "progress", "progressed_at", "running_since",
    "submitted_at", "deadline_at", "next_poll_at", "missing_since", "unanswered_since",
    "finished_at",
)  # fmt: skip


def queue_again(session: Session, row: Row, *, now: datetime) -> Row:
    """Forget the operation that a record stood for, so that another can be sent."""
    blank = dict.fromkeys(_OF_THE_OPERATION)
    queued = {"state": OperationState.QUEUED.value, "intended_at": now, "input_removed": False}
    current = change(session, row, **blank, **queued)
    current.record(result={}, error=None)
    return current


def due(session: Session, table: type[Row], *, before: datetime, limit: int) -> Sequence[Row]:
    """Return records to poll, locked; a caller claims them by moving their `next_poll_at`."""
    query = (
        select(table)
        .where(_is_due(table, before), table.resource_name.is_not(None))
        .order_by(table.next_poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).all()


def confirm(session: Session, table: type[Row], job_ids: Sequence[str], *, now: datetime) -> None:
    """Note of records that their provider has answered, and had nothing new to say."""
    session.execute(
        update(table)
        .where(table.job_id.in_(job_ids))
        .values(polled_at=now, missing_since=None, unanswered_since=None)
        .execution_options(synchronize_session=False)
    )


def take_doubtful(
    session: Session, table: type[Row], *, now: datetime, until: datetime, limit: int
) -> list[Row]:
    """Return records to look for strays of, each claimed by moving its next look ahead."""
    query = (
        select(table)
        .where(table.reconcile_at <= now)
        .order_by(table.reconcile_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(query))
    for row in rows:
        row.reconcile_at = until
    session.flush()
    return rows


def _is_due(table: type[PaidOperationRow], now: datetime) -> ColumnElement[bool]:
    """Return whether it is time, or the time was set by a clock that was set back since."""
    seen = func.coalesce(table.polled_at, table.submitted_at, table.intended_at)
    return has_come(table.next_poll_at, now=now, written=seen)


def has_due(session: Session, table: type[PaidOperationRow], *, now: datetime) -> bool:
    """Return whether a record is to be polled, or to be looked for strays of."""
    due = or_(_is_due(table, now), table.reconcile_at <= now)
    query = select(table.job_id).where(due).limit(1)
    return session.scalar(query) is not None


def poll_soon(session: Session, row: PaidOperationRow, *, now: datetime) -> None:
    """Let the sweep ask again at once, unless the operation is over."""
    if change(session, row).next_poll_at is not None:
        change(session, row, next_poll_at=now)


def lines(session: Session, table: type[PaidOperationRow]) -> list[str]:
    """Return the lines in which records wait."""
    queued = table.state == OperationState.QUEUED.value
    return [line for line in session.scalars(select(table.line).where(queued).distinct()) if line]


def waiting_in_line(
    session: Session, table: type[PaidOperationRow], line: str, *, limit: int | None = None
) -> list[str]:
    """Return the jobs that wait in a line, the first first."""
    query = (
        select(table.job_id)
        .where(table.line == line, table.state == OperationState.QUEUED.value, _of_open_job(table))
        .order_by(table.intended_at, table.job_id)
        .limit(limit)
    )
    return list(session.scalars(query))


def count_open(session: Session, table: type[PaidOperationRow], line: str) -> int:
    """Count what takes part of a quota: all that run, and what may have been sent."""
    sent = (table.state == OperationState.INTENDED.value) & _of_open_job(table)
    taken = or_(sent, table.state == OperationState.ACCEPTED.value)
    query = select(func.count()).select_from(table).where(table.line == line, taken)
    return session.scalar(query) or 0


def lock_line(session: Session, line: str) -> None:
    """Hold a line until the transaction ends; on SQLite a writer has the only lock already."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"line {line}"))))


def _of_open_job(table: type[PaidOperationRow]) -> Any:
    states = [state.value for state in OPEN]
    return exists().where(Job.id == table.job_id, Job.state.in_(states))


# ------------------------------------------------------------ places that do not answer


def circuits(session: Session) -> Sequence[ProviderCircuit]:
    return session.scalars(select(ProviderCircuit)).all()


def put_circuit(
    session: Session, place: str, *, failures: int, open_until: datetime | None
) -> None:
    """Write how often in a row a place has failed; one that answers (0) has no row."""
    row = session.get(ProviderCircuit, place, with_for_update=True)
    if failures == 0:
        if row is not None:
            session.delete(row)
        return
    if row is None:
        row = ProviderCircuit(place=place, failures=0)
        session.add(row)
    row.failures, row.open_until = failures, open_until
