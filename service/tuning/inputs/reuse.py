"""An identical tuning of the project that has succeeded is used again, and costs nothing."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import structlog

from service.catalogue.catalogue import Places
from service.database import Session, Sessions
from service.datasets.queries import DatasetView
from service.errors import NotFound
from service.jobs.paid_operations.states import OperationState
from service.jobs.ports import JobRun
from service.tuning import repository
from service.tuning.inputs.settings import TuningSettings, training_file, validation_file
from service.tuning.models import TuningRun
from service.tuning.ports import TuningProvider

log = structlog.get_logger()

_LOOKS = 3  # one odd 404 would have a tuning paid for twice


def tuning_fingerprint(dataset: DatasetView, settings: TuningSettings, *, places: Places) -> str:
    """Return the SHA-256 of all that a tuning is asked for; pure.

    Files count by their content, so that the same rows in another dataset are the same. What is
    left to the provider is left to it in both.
    """
    validation = validation_file(dataset, settings)
    asked = settings.as_json() | {
        "training": training_file(dataset, settings)["sha256"],
        "validation": validation["sha256"] if validation else None,
        "location": places.tuning,
        "emulated": places.emulated,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def reusable_tuning(session: Session, fingerprint: str, *, project_id: str) -> TuningRun | None:
    """Return a tuning that was asked for the same, has succeeded and left an endpoint."""
    found = repository.succeeded_tuning(session, fingerprint, project_id=project_id)
    return found if found is not None and found.result.get("endpoint") else None


def reuse_tuning(
    run: JobRun, fingerprint: str, *, provider: TuningProvider, sessions: Sessions
) -> bool:
    """Complete the run's model from an identical tuning; return whether the model is complete.

    One that its provider knows no more is not used. Raises what `TuningProvider.poll` raises.
    """
    with sessions.reading() as session:
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        if model is not None and model.ready_at is not None:
            return True  # by an earlier run of this job
        found = reusable_tuning(session, fingerprint, project_id=run.project_id)
    if found is None or not _is_known(provider, found.resource_name or ""):
        return False
    return complete_reused(run, found, found.result, synthetic=provider.synthetic)


def complete_reused(
    run: JobRun, found: TuningRun, result: Mapping[str, Any], *, synthetic: bool
) -> bool:
    """Complete the run's model as the one that `found` made, by `result`; return whether the model
    is still there.
    """
    with run.fenced() as session:
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        if model is None:
            return False
        model.reused_from = found.job_id
        trained = repository.model_of_job(session, found.job_id)
        model.overfitting = trained.overfitting if trained else None
        model.fill(result, synthetic=synthetic)
    log.info("tuning_reused", job_id=run.id, resource_name=found.resource_name)
    return True


def _is_known(provider: TuningProvider, resource_name: str) -> bool:
    for _ in range(_LOOKS):
        try:
            return provider.poll(resource_name).state is OperationState.SUCCEEDED
        except NotFound:
            continue
    return False
