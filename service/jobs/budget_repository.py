"""SQL of budgets and of the job trees that share them.

A transaction that changes `drawn_nano` of a reservation holds the lock of its budget.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from service.jobs.lifecycle import State
from service.jobs.models import Budget, Job, Reservation

_RUN_BY_A_WORKER = (State.RUNNING, State.CANCELLING)


def add(session: Session, row: Budget | Reservation) -> None:
    session.add(row)
    session.flush()


def find(session: Session, root_id: str) -> Budget | None:
    return session.get(Budget, root_id)


def lock(session: Session, root_id: str) -> Budget:
    """Return a budget as it stands now, locked for the rest of the transaction."""
    query = select(Budget).where(Budget.root_id == root_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def find_reservation(session: Session, holder_id: str) -> Reservation | None:
    query = select(Reservation).where(Reservation.holder_id == holder_id)
    return session.scalar(query.execution_options(populate_existing=True))


def spend(session: Session, holder_id: str, nano: int) -> None:
    session.execute(
        update(Reservation)
        .where(Reservation.holder_id == holder_id)
        .values(spent_nano=Reservation.spent_nano + nano)
        .execution_options(synchronize_session=False)
    )


def abandoned(session: Session, root_id: str, *, now: datetime) -> list[Reservation]:
    """Return reservations that hold more than they need and whose job no worker runs."""
    run = and_(Job.state.in_(_RUN_BY_A_WORKER), Job.lease_until >= now)
    query = (
        select(Reservation)
        .join(Job, Job.id == Reservation.holder_id)
        .where(
            Reservation.root_id == root_id,
            Reservation.drawn_nano > Reservation.spent_nano + Reservation.ahead_nano,
            or_(Job.lease_until.is_(None), ~run),
        )
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def unsettled(session: Session, root_id: str) -> int:
    """Return the nano-dollars of a budget that calls in flight may give back."""
    held = Reservation.drawn_nano - Reservation.spent_nano - Reservation.ahead_nano
    query = select(func.coalesce(func.sum(held), 0)).where(Reservation.root_id == root_id, held > 0)
    return int(session.scalar(query) or 0)


def reserved_of(session: Session, job_ids: Collection[str]) -> dict[str, int]:
    """Return by job what it holds beyond what it has spent; jobs without a budget are missing."""
    held = Reservation.drawn_nano - Reservation.spent_nano
    query = select(Reservation.holder_id, held).where(Reservation.holder_id.in_(job_ids))
    return {row[0]: max(0, int(row[1])) for row in session.execute(query)}
