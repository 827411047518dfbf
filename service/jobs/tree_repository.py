"""SQL of job trees: a root, its children, and their descendants."""

from collections.abc import Collection
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
