"""SQL of families: a job, its children, and theirs."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.jobs.lifecycle import TERMINAL
from service.jobs.models import Job


def children(session: Session, job_id: str) -> list[Job]:
    return list(session.scalars(select(Job).where(Job.parent_id == job_id).order_by(Job.id)))


def parent_of(session: Session, job_id: str) -> Job | None:
    own = select(Job.parent_id).where(Job.id == job_id).scalar_subquery()
    return session.scalar(select(Job).where(Job.id == own))


def root_of(session: Session, job_id: str) -> str:
    return session.scalars(select(Job.root_id).where(Job.id == job_id)).one()


def family(session: Session, job_id: str) -> list[str]:
    """Return the job and its descendants, each after its parent."""
    line = select(Job.id, Job.parent_id).where(Job.id == job_id).cte("line", recursive=True)
    line = line.union_all(select(Job.id, Job.parent_id).where(Job.parent_id == line.c.id))
    return list(session.scalars(select(line.c.id)))


def progress_of_shards(session: Session, job_id: str) -> dict[str, Any]:
    """Return what a job's parts have done together, as progress."""
    sums = [
        func.coalesce(func.sum(Job.progress[name].as_integer()), 0) for name in ("done", "total")
    ]
    stage = func.max(Job.progress["stage"].as_string())  # parts of one job do the same
    row = session.execute(select(*sums, stage).where(Job.parent_id == job_id, Job.is_shard)).one()
    return {"done": int(row[0]), "total": int(row[1]), "unit": "items", "stage": row[2]}


def count_children(session: Session, job_id: str) -> tuple[int, int]:
    """Return how many children have ended, and how many there are."""
    ended = func.count().filter(Job.state.in_(list(TERMINAL)))
    row = session.execute(select(ended, func.count()).where(Job.parent_id == job_id)).one()
    return int(row[0]), int(row[1])
