"""The tuned model that a tuning continues."""

from service.database import Session
from service.errors import Fault, Invalid, NotFound
from service.jobs.ports import InputNotReady
from service.tuning import repository
from service.tuning.models import TunedModel
from service.tuning.ports import Continuation
from service.tuning.schemas import TuneSpec
from service.tuning.spec_fields import ContinueFromSpec

_POINTER = "/spec/continue_from"


def parent_of(session: Session, spec: TuneSpec, *, project_id: str) -> TunedModel | None:
    """Return the model that a spec continues, ready or not; None where it starts anew.

    Raises NotFound `input_not_found`, and Invalid for a model of another provider or without the
    checkpoint that is asked for.
    """
    asked = spec.continue_from
    if asked is None:
        return None
    row = repository.model(session, asked.model, project_id=project_id)
    if row is None:
        message = f"no model {asked.model}"
        fault = Fault(f"{_POINTER}/model", "input_not_found", message)
        raise NotFound(message, code="input_not_found", faults=[fault])
    if row.provider != spec.provider:
        message = f"{row.id} is of the provider {row.provider}: only that one can tune it further"
        raise _unfit("model", "provider_differs", message)
    if row.ready_at is not None:
        _require_fit(row, asked)
    return row


def continuation_of(session: Session, spec: TuneSpec, *, project_id: str) -> Continuation | None:
    """Return what the provider continues; raises InputNotReady and what `parent_of` raises."""
    row = parent_of(session, spec, project_id=project_id)
    if row is None or spec.continue_from is None:
        return None
    if row.ready_at is None:
        raise InputNotReady(row.job_id)
    return Continuation(row.resource_name or "", spec.continue_from.checkpoint)


def _require_fit(row: TunedModel, asked: ContinueFromSpec) -> None:
    if not row.resource_name:
        message = f"{row.id} has no model at the provider to continue"
        raise _unfit("model", "model_not_tunable", message)
    known = [str(each.get("checkpoint_id")) for each in row.checkpoints]
    if asked.checkpoint is not None and asked.checkpoint not in known:
        there = ", ".join(known) or "none"
        message = f"{row.id} has no checkpoint {asked.checkpoint!r}; it has: {there}"
        raise _unfit("checkpoint", "checkpoint_not_found", message)


def _unfit(field: str, code: str, message: str) -> Invalid:
    return Invalid(message, code=code, faults=[Fault(f"{_POINTER}/{field}", code, message)])
