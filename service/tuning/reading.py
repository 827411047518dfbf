"""Models: those that are ready, and all of them."""

from dataclasses import dataclass

from service.database import Session, Sessions
from service.errors import Conflict, Invalid, NotFound
from service.jobs.ports import (
    InputNotReady,
)
from service.jobs.queries import require_ended
from service.tuning import repository
from service.tuning.models import TunedModel


@dataclass(frozen=True, slots=True)
class ModelView:
    """What others need of a finished model."""

    id: str
    base_model: str
    endpoint: str
    location: str
    synthetic: bool


def ready_model(model_id: str, *, project_id: str, session: Session) -> ModelView:
    """Return a finished model; raises NotFound `model_not_found` and InputNotReady."""
    row = repository.model(session, model_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no model {model_id}", code="model_not_found")
    if row.ready_at is None:
        raise InputNotReady(row.job_id)
    if row.endpoint is None:
        message = f"{model_id} has no endpoint at the provider: it cannot be asked anything"
        raise Invalid(message, code="model_without_endpoint")
    return ModelView(
        id=row.id,
        base_model=row.base_model,
        endpoint=row.endpoint,
        location=row.location or "",
        synthetic=row.synthetic,
    )


def get_model(model_id: str, *, project_id: str, sessions: Sessions) -> TunedModel:
    """Return a model's row, or raise NotFound `model_not_found`."""
    with sessions.reading() as session:
        row = repository.model(session, model_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no model {model_id}", code="model_not_found")
    return row


def list_models(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[TunedModel]:
    """Return a page of models, newest first."""
    with sessions.reading() as session:
        return repository.models(session, project_id, after=after, limit=limit)


def delete_model(model_id: str, *, project_id: str, sessions: Sessions) -> None:
    """Forget a model; what lies at the provider stays there.

    Raises NotFound, Conflict `not_ready` while its job may still write, or `in_use`.
    """
    row = get_model(model_id, project_id=project_id, sessions=sessions)
    if row.ready_at is None:
        require_ended(row.job_id, sessions=sessions)
    with sessions.transaction() as session:
        if not repository.remove_model(session, row.id):
            message = f"{model_id} is used by evaluations or experiments; delete them first"
            raise Conflict(message, code="in_use")
