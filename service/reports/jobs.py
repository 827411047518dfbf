"""How many jobs there are, by kind and state."""

from sqlalchemy import func, select

from service.database import Sessions
from service.jobs.models import Job


def count_jobs(project_id: str, *, sessions: Sessions) -> dict[tuple[str, str], int]:
    """Return the number of a project's jobs by kind and state; what there is none of is absent."""
    query = (
        select(Job.kind, Job.state, func.count())
        .where(Job.project_id == project_id)
        .group_by(Job.kind, Job.state)
        .order_by(Job.kind, Job.state)
    )
    with sessions.reading() as session:
        return {(kind, state): count for kind, state, count in session.execute(query)}
