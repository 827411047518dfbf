"""Aliases as they stand, what they resolve to, and all that is known of one model."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel

from service.catalogue.catalogue import Catalogue
from service.database import Session, Sessions
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Fault, NotFound
from service.ids import ALIAS_PATTERN
from service.jobs.ports import InputNotReady
from service.model_registry import repository
from service.model_registry.operations import present_alias
from service.model_registry.retirement import retirement_of
from service.model_registry.schemas import (
    AliasMoveView,
    AliasView,
    BaseModelOrigin,
    DatasetOrigin,
    Lineage,
    ModelComparison,
    ModelDetail,
    SdkHandle,
    TuningOrigin,
    present_detail,
)
from service.tuning.ports import TuningMethod
from service.tuning.queries import TuningView, tuning_of_model
from service.tuning.schemas import Model
from service.tuning.spec_fields import ContinueFromSpec

_ALIAS = re.compile(ALIAS_PATTERN)
_PROGRAM = """\
from google import genai

client = genai.Client(enterprise=True, project="{project}", location="{location}")
answer = client.models.generate_content(
    model="{endpoint}",
    contents="your text",
    config={{"temperature": 0}},
)
print(answer.text)
"""


def get_alias(name: str, *, project_id: str, sessions: Sessions) -> AliasView:
    """Return an alias; raises NotFound `alias_not_found`."""
    with sessions.reading() as session:
        row = repository.find(session, name, project_id=project_id)
        if row is None:
            raise NotFound(f"no alias {name}", code="alias_not_found")
        return present_alias(row)


def list_aliases(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[AliasView]:
    """Return a page of aliases by name."""
    with sessions.reading() as session:
        rows = repository.page(session, project_id, after=after, limit=limit)
        return [present_alias(row) for row in rows]


def list_moves(
    name: str, *, project_id: str, after: str | None, limit: int, sessions: Sessions
) -> list[AliasMoveView]:
    """Return a page of an alias's moves, newest first, also of one that was deleted.

    Raises NotFound `alias_not_found` where there never was one.
    """
    with sessions.reading() as session:
        rows = repository.moves(session, name, project_id=project_id, after=after, limit=limit)
        if not rows and not after:
            raise NotFound(f"no alias {name}", code="alias_not_found")
        return [
            AliasMoveView(
                id=row.id,
                alias=row.name,
                model=row.model_id,
                previous=row.previous_id,
                forced=row.forced,
                comparison=ModelComparison.model_validate(row.comparison)
                if row.comparison
                else None,
                key=row.key_id,
                created_at=row.created_at,
            )
            for row in rows
        ]


def resolve(session: Session, model: str, *, project_id: str) -> str:
    """Return the id of the model that an alias of the project stands for.

    What does not look like an alias, or is none of the project, is returned as it is: base models
    have versions such as `name@001`.
    """
    row = repository.find(session, model, project_id=project_id) if _ALIAS.match(model) else None
    return row.model_id if row else model


Spec = TypeVar("Spec", bound=BaseModel)


def with_model_ids(spec: Spec, *, project_id: str, sessions: Sessions) -> Spec:
    """Return a job's spec with the ids of the models that its aliases stand for now.

    Raises NotFound `input_not_found` for an alias that the project does not have.
    """

    def found(alias: str, pointer: str) -> str:
        with sessions.reading() as session:
            model = resolve(session, alias, project_id=project_id)
        if model == alias:
            message = f"no alias {alias}"
            fault = Fault(pointer, "input_not_found", message)
            raise NotFound(message, code="input_not_found", faults=[fault])
        return model

    changes: dict[str, Any] = {}
    model, further = getattr(spec, "model", None), getattr(spec, "continue_from", None)
    if isinstance(model, str) and _ALIAS.match(model):
        changes["model"] = found(model, "/spec/model")
    if isinstance(further, ContinueFromSpec) and _ALIAS.match(further.model):
        started_from = found(further.model, "/spec/continue_from/model")
        changes["continue_from"] = further.model_copy(update={"model": started_from})
    return spec.model_copy(update=changes) if changes else spec


def detail_of(
    model: Model,
    *,
    project_id: str,
    google_project: str,
    catalogue: Catalogue,
    today: date,
    sessions: Sessions,
) -> ModelDetail:
    """Return a model with its aliases, its lineage, how Google's client calls it, and for how
    long.
    """
    with sessions.reading() as session:
        aliases = repository.names_of(session, model.id)
        tuning = tuning_of_model(session, model.id, project_id=project_id)
        dataset = _dataset(session, model.dataset, project_id)
    return present_detail(
        model,
        aliases=aliases,
        lineage=Lineage(
            tuning_run=_tuning_origin(tuning),
            dataset=_dataset_origin(model, dataset),
            base_model=_base_model(model.base_model, catalogue),
        ),
        sdk=_sdk(model, google_project),
        retirement=retirement_of(model.base_model, catalogue=catalogue, today=today),
    )


def _dataset(session: Session, dataset_id: str | None, project_id: str) -> DatasetView | None:
    if dataset_id is None:
        return None
    try:
        return ready_dataset(dataset_id, project_id=project_id, session=session)
    except (InputNotReady, NotFound):
        return None


def _tuning_origin(tuning: TuningView | None) -> TuningOrigin | None:
    if tuning is None:
        return None
    return TuningOrigin(
        id=tuning.id,
        job=tuning.job_id,
        resource=tuning.resource_name,
        state=tuning.state,
        attached=tuning.attached,
        submitted_at=tuning.submitted_at,
        finished_at=tuning.finished_at,
    )


def _dataset_origin(model: Model, dataset: DatasetView | None) -> DatasetOrigin | None:
    if model.dataset is None:
        return None
    training: Mapping[str, Any] = {}
    validation: Mapping[str, Any] = {}
    if dataset is not None:
        training = dataset.training_files.get(str(model.train_size)) or {}
        validation = dataset.splits.get("validation") or {}
        if model.method is TuningMethod.PREFERENCE:
            training, validation = (each.get("pairs") or {} for each in (training, validation))
    return DatasetOrigin(
        id=model.dataset,
        fingerprint=dataset.fingerprint if dataset else None,
        training_sha256=training.get("sha256"),
        validation_sha256=validation.get("sha256"),
        train_size=model.train_size,
    )


def _base_model(name: str, catalogue: Catalogue) -> BaseModelOrigin:
    entry = catalogue.entry(name)
    lifecycle = entry.lifecycle
    return BaseModelOrigin(
        name=name,
        family=entry.family,
        state=lifecycle.state.value if lifecycle else None,
        retires=(lifecycle.retired or lifecycle.retires) if lifecycle else None,
    )


def _sdk(model: Model, google_project: str) -> SdkHandle | None:
    endpoint, location = model.provider.get("endpoint"), model.provider.get("location")
    if not (endpoint and location and str(endpoint).startswith("projects/")):
        return None
    return SdkHandle(
        endpoint=endpoint,
        location=location,
        project=google_project,
        python=_PROGRAM.format(project=google_project, location=location, endpoint=endpoint),
    )
