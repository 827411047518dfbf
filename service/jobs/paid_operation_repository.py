"""SQL of the records of paid operations, whichever table they are in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.jobs.models import PaidOperationRow

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


def take_due(
    session: Session, table: type[Row], *, now: datetime, until: Sequence[datetime]
) -> list[Row]:
    """Return records to poll, each claimed by moving its `next_poll_at` ahead to one of `until`."""
    query = (
        select(table)
        .where(table.next_poll_at <= now, table.resource_name.is_not(None))
        .order_by(table.next_poll_at)
        .limit(len(until))
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(query))
    for row, moment in zip(rows, until, strict=False):
        row.next_poll_at = moment
    session.flush()
    return rows


def has_due(session: Session, table: type[PaidOperationRow], *, now: datetime) -> bool:
    query = select(table.job_id).where(table.next_poll_at <= now).limit(1)
    return session.scalar(query) is not None


def poll_soon(session: Session, row: PaidOperationRow, *, now: datetime) -> None:
    """Let the sweep ask again at once, unless the operation is over."""
    if change(session, row).next_poll_at is not None:
        change(session, row, next_poll_at=now)
