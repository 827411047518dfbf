"""SQL of the erasure of projects, over the tables of every room."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, Table, delete, func, select

from service.database import Model, Session

# Each after those that refer to it; outputs and jobs are deleted one by one before.
_REST = ("model_alias_move", "delivery", "webhook", "event", "idempotency_key", "usage", "api_key")
_COUNTED = {
    "files": "file",
    "datasets": "dataset",
    "models": "model",
    "evaluations": "evaluation",
    "experiments": "experiment",
    "jobs": "job",
    "keys": "api_key",
    "webhooks": "webhook",
}


def _table(name: str) -> Table:
    return Model.metadata.tables[name]


def contents(session: Session, project_id: str, *, open_states: Collection[str]) -> dict[str, int]:
    """Return how many rows a project has, by kind."""
    job, answer = _table("job"), _table("response_cache")
    counts = {kind: _rows_of(_table(name), project_id) for kind, name in _COUNTED.items()}
    counts["open_jobs"] = _rows_of(job, project_id).where(job.c.state.in_(open_states))
    counts["cached_answers"] = (
        select(func.count()).select_from(answer).where(_is_answer_of(project_id))
    )
    return {kind: session.scalar(count) or 0 for kind, count in counts.items()}


def _rows_of(table: Table, project_id: str) -> Select[int]:
    return select(func.count()).select_from(table).where(table.c.project_id == project_id)


def _is_answer_of(project_id: str) -> ColumnElement[bool]:
    return _table("response_cache").c.scope.startswith(f"{project_id}@", autoescape=True)


def closed(session: Session) -> list[str]:
    """Return the projects that are to be erased."""
    project = _table("project")
    return list(session.scalars(select(project.c.id).where(project.c.erasing_at.is_not(None))))


def open_jobs(session: Session, project_id: str, *, open_states: Collection[str]) -> list[str]:
    job = _table("job")
    query = select(job.c.id).where(job.c.project_id == project_id, job.c.state.in_(open_states))
    return list(session.scalars(query.order_by(job.c.id)))


def submitted_jobs(session: Session, project_id: str, *, limit: int) -> list[str]:
    job = _table("job")
    query = select(job.c.id).where(job.c.project_id == project_id, job.c.parent_id.is_(None))
    return list(session.scalars(query.order_by(job.c.id).limit(limit)))


def remove_aliases(session: Session, project_id: str) -> None:
    """Delete the names that hold a project's models."""
    alias = _table("model_alias")
    session.execute(delete(alias).where(alias.c.project_id == project_id))


def is_pending(session: Session, project_id: str) -> bool:
    """Return whether anything of a project is left outside the database."""
    pending = _table("pending_erasure")
    found = session.scalar(select(pending.c.id).where(pending.c.project_id == project_id).limit(1))
    return found is not None


def remove(session: Session, project_id: str) -> None:
    """Delete a project that has no outputs and no jobs any more, and all that is only its own."""
    session.execute(delete(_table("response_cache")).where(_is_answer_of(project_id)))
    for name in _REST:
        table = _table(name)
        session.execute(delete(table).where(table.c.project_id == project_id))
    project = _table("project")
    session.execute(delete(project).where(project.c.id == project_id))
