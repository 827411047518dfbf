"""Models as they stand: one, a page, and one that is ready to be called."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from service.database import Session, Sessions
from service.errors import Invalid, NotFound
from service.inference.local.folders import LocalTask
from service.jobs.paid_operations.line import places_in_line
from service.jobs.ports import InputNotReady
from service.tuning import repository
from service.tuning.models import TunedModel, TuningRun


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """A tuned model as it was after some epoch; `endpoint` is empty where it cannot be asked."""

    id: str
    epoch: int | None
    endpoint: str


@dataclass(frozen=True, slots=True)
class ModelView:
    """What others need of a finished model; `checkpoints` are in the order of their epochs."""

    id: str
    base_model: str
    endpoint: str
    location: str
    synthetic: bool
    train_size: int | None
    is_classifier: bool
    ready_at: datetime
    checkpoints: tuple[CheckpointView, ...] = ()


@dataclass(frozen=True, slots=True)
class TuningView:
    """The record of the tuning that a model came from."""

    id: str
    job_id: str
    resource_name: str | None
    state: str
    attached: bool
    submitted_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A finished model of any project."""

    id: str
    project_id: str
    base_model: str


def tuning_of_model(session: Session, model_id: str, *, project_id: str) -> TuningView | None:
    """Return the record of a model's tuning, of the one it uses again where that is so."""
    row = repository.model(session, model_id, project_id=project_id)
    run = repository.tuning_of(session, row.reused_from or row.job_id) if row else None
    if run is None:
        return None
    return TuningView(**{field.name: getattr(run, field.name) for field in fields(TuningView)})


def tuned_base_models(session: Session) -> list[str]:
    """Return the base models of all finished models, of all projects."""
    return repository.tuned_base_models(session)


def ready_models_of(session: Session, base_models: Collection[str]) -> list[ReadyModel]:
    """Return the finished models of some base models, of all projects."""
    rows = repository.ready_of(session, base_models)
    return [ReadyModel(row.id, row.project_id, row.base_model) for row in rows]


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
        train_size=row.train_size,
        is_classifier=row.hyperparameters.get("task") == LocalTask.SEQUENCE_CLASSIFICATION,
        ready_at=row.ready_at,
        checkpoints=_checkpoints(row),
    )


def base_model_of(model_id: str, *, project_id: str, session: Session) -> str:
    """Return the base model of a model that may be still to be made; empty where unknown."""
    row = repository.model(session, model_id, project_id=project_id)
    return row.base_model if row else ""


def _checkpoints(row: TunedModel) -> tuple[CheckpointView, ...]:
    found = [
        CheckpointView(
            id=str(each.get("checkpoint_id") or ""),
            epoch=int(each["epoch"]) if each.get("epoch") is not None else None,
            endpoint=str(each.get("endpoint") or ""),
        )
        for each in row.checkpoints
    ]
    return tuple(sorted(found, key=lambda each: each.epoch or 0))


def get_model(model_id: str, *, project_id: str, sessions: Sessions) -> TunedModel:
    """Return a model's row, or raise NotFound `model_not_found`."""
    return model_with_tuning(model_id, project_id=project_id, sessions=sessions)[0]


def model_with_tuning(
    model_id: str, *, project_id: str, sessions: Sessions
) -> tuple[TunedModel, TuningRun | None]:
    """Return a model and the record of its tuning; raises as `get_model` does."""
    with sessions.reading() as session:
        found = repository.model_shown(session, model_id, project_id=project_id)
    if found is None:
        raise NotFound(f"no model {model_id}", code="model_not_found")
    return found


def list_models(
    project_id: str, *, sessions: Sessions, **filters: Any
) -> list[tuple[TunedModel, TuningRun | None]]:
    """Return a page of models, newest first; see `repository.models` for the filters."""
    with sessions.reading() as session:
        return repository.models(session, project_id, **filters)


def places_of_tunings(session: Session) -> dict[str, int]:
    """Return the places of the jobs that wait in the line of a provider, by id; 1 goes next."""
    return places_in_line(session, TuningRun)
