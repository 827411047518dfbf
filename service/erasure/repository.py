"""SQL of erasures. It reads and deletes rows of every room, by the names of their tables."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, Table, Text, cast, delete, select, update

from service.clock_jumps import has_come_within
from service.database import Model, Session
from service.erasure.models import PendingErasure
from service.ids import Prefix

LONGEST_RETRY = timedelta(hours=1)  # until what could not be erased is tried again

_TABLES = {
    Prefix.FILE: "file",
    Prefix.DATASET: "dataset",
    Prefix.MODEL: "model",
    Prefix.EVALUATION: "evaluation",
    Prefix.EXPERIMENT: "experiment",
}
# What a job alone has: the tables of outputs name it too, and must be empty of it before.
_OF_JOBS = (
    ("tuning_run", "job_id"),
    ("batch_run", "job_id"),
    ("reservation", "holder_id"),
    ("reservation", "root_id"),
    ("budget", "root_id"),
    ("idempotency_key", "job_id"),
)


def _table(name: str) -> Table:
    return Model.metadata.tables[name]


def writer_of(
    session: Session, output_id: str, *, project_id: str, open_states: Collection[str]
) -> str | None:
    """Return the job that may still write an output, or None."""
    prefix = Prefix(output_id.partition("_")[0])
    if prefix is Prefix.FILE:
        return None
    output, job = _table(_TABLES[prefix]), _table("job")
    query = (
        select(job.c.id)
        .join(output, output.c.job_id == job.c.id)
        .where(
            output.c.id == output_id,
            output.c.project_id == project_id,
            output.c.ready_at.is_(None),
            job.c.state.in_(open_states),
        )
    )
    return session.scalar(query)


def jobs_in(session: Session, job_ids: Sequence[str], *, states: Collection[str]) -> list[str]:
    """Return those of some jobs that are in some states, locked."""
    job = _table("job")
    query = select(job.c.id).where(job.c.id.in_(job_ids), job.c.state.in_(states))
    return list(session.scalars(query.order_by(job.c.id).with_for_update()))


def jobs_naming(
    session: Session, output_id: str, *, project_id: str, open_states: Collection[str]
) -> list[str]:
    """Return the open jobs of a project whose spec names something."""
    job = _table("job")
    query = select(job.c.id).where(
        job.c.project_id == project_id,
        job.c.state.in_(open_states),
        cast(job.c.spec, Text).contains(output_id, autoescape=True),
    )
    return list(session.scalars(query.order_by(job.c.id).limit(20)))


def outputs(
    session: Session,
    prefix: Prefix,
    *,
    project_id: str | None = None,
    before: datetime | None = None,
    after: str = "",
    limit: int,
) -> list[tuple[str, str]]:
    """Return ids of outputs of a kind, and their projects, in their order after an id."""
    table = _table(_TABLES[prefix])
    query = select(table.c.id, table.c.project_id).where(table.c.id > after)
    if project_id is not None:
        query = query.where(table.c.project_id == project_id)
    if before is not None:
        query = query.where(table.c.created_at < before)
    return [(row[0], row[1]) for row in session.execute(query.order_by(table.c.id).limit(limit))]


def outputs_of_jobs(session: Session, job_ids: Sequence[str]) -> list[str]:
    """Return the outputs that jobs have made or paid for, and experiments that show them."""
    tables = [_table(name) for name in _TABLES.values() if name != "file"]
    found = {
        output_id
        for table in tables
        for output_id in session.scalars(select(table.c.id).where(table.c.job_id.in_(job_ids)))
    }
    model, variant = _table("model"), _table("variant")
    found |= set(session.scalars(select(model.c.id).where(model.c.reused_from.in_(job_ids))))
    for column in (variant.c.tune_job_id, variant.c.evaluate_job_id):
        found |= set(session.scalars(select(variant.c.experiment_id).where(column.in_(job_ids))))
    return sorted(found)


def submitted_jobs(
    session: Session,
    *,
    before: datetime,
    project_id: str | None = None,
    after: str = "",
    limit: int,
) -> list[tuple[str, str]]:
    """Return jobs that users submitted and that ended before a time, and their projects."""
    job = _table("job")
    query = select(job.c.id, job.c.project_id).where(
        job.c.id > after, job.c.parent_id.is_(None), job.c.finished_at < before
    )
    if project_id is not None:
        query = query.where(job.c.project_id == project_id)
    return [(row[0], row[1]) for row in session.execute(query.order_by(job.c.id).limit(limit))]


def remove_jobs(session: Session, job_ids: Sequence[str]) -> None:
    """Delete jobs without outputs, and what only they have; the ledger keeps what they used."""
    event, delivery, usage, job = map(_table, ("event", "delivery", "usage", "job"))
    events = select(event.c.id).where(event.c.job_id.in_(job_ids))
    session.execute(delete(delivery).where(delivery.c.event_id.in_(events)))
    session.execute(delete(event).where(event.c.job_id.in_(job_ids)))
    for name, column in _OF_JOBS:
        table = _table(name)
        session.execute(delete(table).where(table.c[column].in_(job_ids)))
    session.execute(update(usage).where(usage.c.job_id.in_(job_ids)).values(job_id=None))
    session.execute(delete(job).where(job.c.id.in_(job_ids)))


# ------------------------------------------------------------ pending


def add(session: Session, rows: Sequence[PendingErasure]) -> None:
    session.add_all(rows)
    session.flush()


def has_due(session: Session, *, now: datetime) -> bool:
    is_due = has_come_within(PendingErasure.due_at, LONGEST_RETRY, now=now)
    query = select(PendingErasure.id).where(is_due).limit(1)
    return session.scalar(query) is not None


def take_due(
    session: Session, *, now: datetime, until: datetime, limit: int
) -> list[PendingErasure]:
    """Return what is due, claimed by moving it ahead."""
    query = (
        select(PendingErasure)
        .where(has_come_within(PendingErasure.due_at, LONGEST_RETRY, now=now))
        .order_by(PendingErasure.due_at, PendingErasure.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(query))
    for row in rows:
        row.due_at = until
    session.flush()
    return rows


def finish(session: Session, row_id: str) -> bool:
    """Delete a row; return whether it was there."""
    gone = session.execute(delete(PendingErasure).where(PendingErasure.id == row_id))
    return isinstance(gone, CursorResult) and gone.rowcount == 1


def postpone(session: Session, row_id: str, *, error: str, until: datetime) -> None:
    session.execute(
        update(PendingErasure)
        .where(PendingErasure.id == row_id)
        .values(error=error, due_at=until, attempts=PendingErasure.attempts + 1)
    )


def page(
    session: Session, project_id: str, *, after: str | None, limit: int
) -> list[PendingErasure]:
    """Return what a project has pending, newest first; `after` is the last id before."""
    query = select(PendingErasure).where(PendingErasure.project_id == project_id)
    if after:
        query = query.where(PendingErasure.id < after)
    return list(session.scalars(query.order_by(PendingErasure.id.desc()).limit(limit)))


# ------------------------------------------------------------ what has an entry


def project_ids(session: Session) -> set[str]:
    return _ids(session, "project")


def tuning_run_ids(session: Session) -> set[str]:
    return _ids(session, "tuning_run")


def open_tuning_run_ids(session: Session) -> set[str]:
    """Return the tuning runs whose rows their provider may still have to read."""
    runs = _table("tuning_run").c
    is_open = runs.finished_at.is_(None) | runs.input_removed
    return set(session.scalars(select(runs.id).where(is_open)))


def output_ids(session: Session) -> set[str]:
    """Return the ids of all outputs, reserved ones too."""
    return {each for name in _TABLES.values() for each in _ids(session, name)}


def _ids(session: Session, name: str) -> set[str]:
    return set(session.scalars(select(_table(name).c.id)))
