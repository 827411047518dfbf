"""SQL of tuning runs and models."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.database import delete_unless_used
from service.tuning.models import TunedModel, TuningRun


def add(session: Session, row: TuningRun | TunedModel) -> None:
    session.add(row)
    session.flush()


def run_of_job(session: Session, job_id: str) -> TuningRun | None:
    return session.scalar(select(TuningRun).where(TuningRun.job_id == job_id))


def run_by_id(session: Session, run_id: str) -> TuningRun:
    return session.get_one(TuningRun, run_id)


def take_due(
    session: Session, *, now: datetime, until: Sequence[datetime], limit: int
) -> list[TuningRun]:
    """Return runs to poll, each claimed by moving its `next_poll_at` ahead to one of `until`."""
    query = (
        select(TuningRun)
        .where(TuningRun.next_poll_at <= now)
        .order_by(TuningRun.next_poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    runs = list(session.scalars(query))
    for run, moment in zip(runs, until, strict=False):
        run.next_poll_at = moment
    session.flush()
    return runs


def has_due(session: Session, *, now: datetime) -> bool:
    query = select(TuningRun.id).where(TuningRun.next_poll_at <= now).limit(1)
    return session.scalar(query) is not None


def poll_soon(session: Session, run_id: str, *, now: datetime) -> None:
    """Let the sweep ask again at once, unless the run is over."""
    session.execute(
        update(TuningRun)
        .where(TuningRun.id == run_id, TuningRun.next_poll_at.is_not(None))
        .values(next_poll_at=now)
    )


def model(session: Session, model_id: str, *, project_id: str) -> TunedModel | None:
    query = select(TunedModel).where(TunedModel.id == model_id, TunedModel.project_id == project_id)
    return session.scalar(query)


def models(session: Session, project_id: str, *, after: str | None, limit: int) -> list[TunedModel]:
    query = select(TunedModel).where(TunedModel.project_id == project_id)
    if after:
        query = query.where(TunedModel.id < after)
    return list(session.scalars(query.order_by(TunedModel.id.desc()).limit(limit)))


def remove_model(session: Session, model_id: str) -> bool:
    return delete_unless_used(session, TunedModel, model_id)
