"""SQL of tuning runs and models."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import Select, Table, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.clock_jumps import has_come_within
from service.database import delete_unless_used
from service.jobs.paid_operations.states import OperationState
from service.tuning.models import TrainingMetric, TunedModel, TuningRun
from service.tuning.ports import MetricPoint

LONGEST_PAUSE = timedelta(minutes=30)  # between two readings of a tuning's curves


def add(session: Session, row: TunedModel) -> None:
    session.add(row)
    session.flush()


def model(session: Session, model_id: str, *, project_id: str) -> TunedModel | None:
    query = select(TunedModel).where(TunedModel.id == model_id, TunedModel.project_id == project_id)
    return session.scalar(query)


def model_of_job(session: Session, job_id: str) -> TunedModel | None:
    return session.scalar(select(TunedModel).where(TunedModel.job_id == job_id))


Shown = tuple[TunedModel, TuningRun | None]
"""A model, and the record of the tuning that makes it."""

_TUNED_BY = TuningRun.job_id == func.coalesce(TunedModel.reused_from, TunedModel.job_id)


def model_shown(session: Session, model_id: str, *, project_id: str) -> Shown | None:
    query = _shown(project_id).where(TunedModel.id == model_id)
    found = session.execute(query).first()
    return (found[0], found[1]) if found else None


def models(
    session: Session,
    project_id: str,
    *,
    states: Collection[str] = (),
    provider_state: str | None = None,
    after: str | None,
    limit: int,
) -> list[Shown]:
    """Return a page of models, newest first; `states` are those of `OutputState`."""
    query = _shown(project_id)
    if states:
        job = TunedModel.metadata.tables["job"]
        ready, over = TunedModel.ready_at.is_not(None), job.c.state.in_(["failed", "cancelled"])
        conditions = {"ready": ready, "failed": ~ready & over, "creating": ~ready & ~over}
        query = query.join(job, job.c.id == TunedModel.job_id)
        query = query.where(or_(*(conditions[state] for state in states)))
    if provider_state:
        query = query.where(TuningRun.provider_state == provider_state)
    if after:
        query = query.where(TunedModel.id < after)
    rows = session.execute(query.order_by(TunedModel.id.desc()).limit(limit))
    return [(row[0], row[1]) for row in rows]


def _shown(project_id: str) -> Select[TunedModel, TuningRun]:
    query = select(TunedModel, TuningRun).outerjoin(TuningRun, _TUNED_BY)
    return query.where(TunedModel.project_id == project_id)


def tuned_base_models(session: Session) -> list[str]:
    query = select(TunedModel.base_model).where(TunedModel.ready_at.is_not(None)).distinct()
    return list(session.scalars(query))


def ready_of(session: Session, base_models: Collection[str]) -> list[TunedModel]:
    """Return the finished models of some base models that can be called, of all projects."""
    query = select(TunedModel).where(
        TunedModel.base_model.in_(base_models),
        TunedModel.ready_at.is_not(None),
        TunedModel.endpoint.is_not(None),
    )
    return list(session.scalars(query.order_by(TunedModel.id)))


def has_tuning(session: Session, job_id: str) -> bool:
    """Return whether a job has the record of a tuning of its own."""
    return session.scalar(select(TuningRun.id).where(TuningRun.job_id == job_id)) is not None


def succeeded_tuning(session: Session, fingerprint: str, *, project_id: str) -> TuningRun | None:
    """Return the latest tuning of a project that was asked for the same and has succeeded."""
    query = select(TuningRun).where(
        TuningRun.project_id == project_id,
        TuningRun.fingerprint == fingerprint,
        TuningRun.state == OperationState.SUCCEEDED.value,
    )
    return session.scalar(query.order_by(TuningRun.finished_at.desc()).limit(1))


def tuning(session: Session, run_id: str) -> TuningRun | None:
    return session.get(TuningRun, run_id)


def tuning_of(session: Session, job_id: str) -> TuningRun | None:
    return session.scalar(select(TuningRun).where(TuningRun.job_id == job_id))


def models_of_tuning(session: Session, job_id: str, *, but: str) -> list[str]:
    """Return the other models that a job's tuning has made, or that use it again."""
    query = select(TunedModel.id).where(
        or_(TunedModel.job_id == job_id, TunedModel.reused_from == job_id), TunedModel.id != but
    )
    return list(session.scalars(query.order_by(TunedModel.id).with_for_update()))


def remove_tuning(session: Session, row: TuningRun) -> None:
    session.delete(row)
    session.flush()


def remove_model(session: Session, model_id: str) -> list[str]:
    """Delete a model unless it is used; return what uses it."""
    return delete_unless_used(session, TunedModel, model_id)


# ------------------------------------------------------------ training curves

_METRICS: Table = TrainingMetric.metadata.tables[TrainingMetric.__tablename__]
_METRIC_KEY = ("job_id", "series", "step")


def put_metrics(session: Session, job_id: str, points: Iterable[MetricPoint]) -> None:
    """Write points; one of the same series and step is replaced."""
    rows = {
        (point.series.value, point.step): {
            "job_id": job_id,
            "series": point.series.value,
            "step": point.step,
            "value": point.value,
        }
        for point in points
    }
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_METRICS)
    fresh = insert.on_conflict_do_update(
        index_elements=_METRIC_KEY, set_={"value": insert.excluded.value}
    )
    session.execute(fresh, [rows[key] for key in sorted(rows)])


def metrics(session: Session, job_id: str) -> list[TrainingMetric]:
    """Return the points of a job's training, by series and step."""
    query = select(TrainingMetric).where(TrainingMetric.job_id == job_id)
    return list(session.scalars(query.order_by(TrainingMetric.series, TrainingMetric.step)))


def last_steps(session: Session, job_id: str) -> dict[str, int]:
    """Return by series the last step that is kept."""
    query = select(TrainingMetric.series, func.max(TrainingMetric.step))
    rows = session.execute(query.where(TrainingMetric.job_id == job_id).group_by("series"))
    return {row[0]: row[1] for row in rows}


def has_due_metrics(session: Session, *, now: datetime) -> bool:
    is_due = has_come_within(TuningRun.metrics_due_at, LONGEST_PAUSE, now=now)
    query = select(TuningRun.id).where(is_due).limit(1)
    return session.scalar(query) is not None


def due_metrics(session: Session, *, now: datetime, limit: int) -> list[TuningRun]:
    """Return tunings whose curves are to be read, locked."""
    query = (
        select(TuningRun)
        .where(has_come_within(TuningRun.metrics_due_at, LONGEST_PAUSE, now=now))
        .order_by(TuningRun.metrics_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def end_metrics(session: Session, run_id: str) -> None:
    """Read the curves of a tuning no more."""
    session.execute(update(TuningRun).where(TuningRun.id == run_id).values(metrics_due_at=None))


def remove_metrics(session: Session, job_id: str) -> None:
    session.execute(delete(TrainingMetric).where(TrainingMetric.job_id == job_id))
