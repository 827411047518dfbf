"""SQL of job trees (a root, its children, their descendants) and of the budget that each shares.

A transaction that changes `drawn_nano` of a reservation holds the lock of its budget.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from service.jobs.lifecycle import TERMINAL, State
from service.jobs.models import Budget, Job, Reservation

_RUN_BY_A_WORKER = (State.RUNNING, State.CANCELLING)


def children(session: Session, job_id: str) -> list[Job]:
    return list(session.scalars(select(Job).where(Job.parent_id == job_id).order_by(Job.id)))


def parent_of(session: Session, job_id: str) -> Job | None:
    own = select(Job.parent_id).where(Job.id == job_id).scalar_subquery()
    return session.scalar(select(Job).where(Job.id == own))


def root_of(session: Session, job_id: str) -> str:
    return session.scalars(select(Job.root_id).where(Job.id == job_id)).one()


def subtrees(session: Session, job_ids: Collection[str]) -> dict[str, list[str]]:
    """Return by job the ids of itself and its descendants, each after its parent."""
    tops = select(Job.id.label("top"), Job.id).where(Job.id.in_(job_ids))
    tree = tops.cte("tree", recursive=True)
    below = select(tree.c.top, Job.id).join(tree, Job.parent_id == tree.c.id)
    found: dict[str, list[str]] = {job_id: [] for job_id in job_ids}
    for top, member in session.execute(select(tree.union_all(below))):
        found[top].append(member)
    return found


def progress_of_shards(session: Session, job_id: str) -> dict[str, Any]:
    """Return what a job's shards have done together, as progress."""
    sums = [
        func.coalesce(func.sum(Job.progress[name].as_integer()), 0) for name in ("done", "total")
    ]
    stage = func.max(Job.progress["stage"].as_string())  # shards of one job do the same
    row = session.execute(select(*sums, stage).where(Job.parent_id == job_id, Job.is_shard)).one()
    return {"done": int(row[0]), "total": int(row[1]), "unit": "items", "stage": row[2]}


def count_children(session: Session, job_id: str) -> tuple[int, int]:
    """Return how many children have ended, and how many there are."""
    ended = func.count().filter(Job.state.in_(list(TERMINAL)))
    row = session.execute(select(ended, func.count()).where(Job.parent_id == job_id)).one()
    return int(row[0]), int(row[1])


# ------------------------------------------------------------ budgets


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


def unspent(session: Session, project_id: str) -> int:
    """Return the nano-dollars that the budgets of a project's open jobs have left to spend."""
    spent = (
        select(func.coalesce(func.sum(Reservation.spent_nano), 0))
        .where(Reservation.root_id == Budget.root_id)
        .scalar_subquery()
    )
    query = (
        select(func.coalesce(func.sum(Budget.limit_nano - spent), 0))
        .join(Job, Job.id == Budget.root_id)
        .where(Job.project_id == project_id, Job.state.not_in(list(TERMINAL)))
    )
    return int(session.scalar(query) or 0)


def reserved_of(session: Session, job_ids: Collection[str]) -> dict[str, int]:
    """Return by job what it holds beyond what it has spent; jobs without a budget are missing."""
    held = Reservation.drawn_nano - Reservation.spent_nano
    query = select(Reservation.holder_id, held).where(Reservation.holder_id.in_(job_ids))
    return {row[0]: max(0, int(row[1])) for row in session.execute(query)}
