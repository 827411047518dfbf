"""The training curves of a model: kept while it is trained, and read."""

from collections.abc import Sequence

from service.database import Session, Sessions
from service.errors import NotFound
from service.tuning import repository
from service.tuning.models import TunedModel
from service.tuning.ports import MetricPoint, MetricSeries


def record_metrics(session: Session, job_id: str, points: Sequence[MetricPoint]) -> None:
    """Keep points of a job's training; a second call with the same ones changes nothing."""
    repository.put_metrics(session, job_id, points)


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
    return row, [MetricPoint(MetricSeries(each.series), each.step, each.value) for each in stored]
