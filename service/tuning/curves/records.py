"""The training curves of a model: kept while it is trained, searched for overfitting, and read."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from service.database import Session, Sessions
from service.errors import NotFound
from service.jobs.events import emit_event
from service.jobs.queries import find_job
from service.tuning import repository
from service.tuning.curve_schemas import Inconclusive
from service.tuning.curves.overfitting import (
    Curve,
    find_overfitting,
    why_inconclusive,
)
from service.tuning.models import TunedModel
from service.tuning.ports import MetricPoint, MetricSeries
from service.webhooks.events import EventType


def record_metrics(session: Session, job_id: str, points: Sequence[MetricPoint]) -> None:
    """Keep points of a job's training; a second call with the same ones changes nothing.

    The first overfitting that they show is an event; the model shows what they show at last.
    """
    repository.put_metrics(session, job_id, points)
    model = repository.model_of_job(session, job_id)
    if model is None:
        return
    stored = [_point(each) for each in repository.metrics(session, job_id)]
    found = find_overfitting(
        loss_curve(stored, MetricSeries.TRAIN_LOSS),
        loss_curve(stored, MetricSeries.VALIDATION_LOSS),
    )
    before, model.overfitting = model.overfitting, asdict(found) if found else None
    session.flush()
    if model.overfitting and not before:
        _emit(session, model, model.overfitting)


def _emit(session: Session, model: TunedModel, overfitting: dict[str, Any]) -> None:
    job = find_job(session, model.job_id, project_id=model.project_id)
    emit_event(session, job, EventType.MODEL_OVERFITTING, model=model.id, overfitting=overfitting)


def overfitting_inconclusive(points: Sequence[MetricPoint]) -> Inconclusive | None:
    """Return why the points of a training cannot show overfitting; None where they can."""
    train, validation = MetricSeries.TRAIN_LOSS, MetricSeries.VALIDATION_LOSS
    return why_inconclusive(loss_curve(points, train), loss_curve(points, validation))


def loss_curve(points: Sequence[MetricPoint], series: MetricSeries) -> Curve:
    """Return one series of points as steps and values."""
    return [(point.step, point.value) for point in points if point.series is series]


def training_curves(
    model_id: str, *, project_id: str, sessions: Sessions
) -> tuple[TunedModel, list[MetricPoint]]:
    """Return a model and the points of its training, by series and step: so far, while it runs.

    One that uses an identical tuning again has the curves of that. Raises NotFound
    `model_not_found`.
    """
    with sessions.reading() as session:
        row = repository.model(session, model_id, project_id=project_id)
        if row is None:
            raise NotFound(f"no model {model_id}", code="model_not_found")
        stored = repository.metrics(session, row.reused_from or row.job_id)
    return row, [_point(each) for each in stored]


def _point(row: Any) -> MetricPoint:
    return MetricPoint(MetricSeries(row.series), row.step, row.value)
