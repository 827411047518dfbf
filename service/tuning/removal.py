"""Removing a model, and what its tuning has left at the provider."""

from service.catalogue.local_names import LOCAL
from service.database import Session, refuse_used
from service.errors import NotFound
from service.storage.leftovers import Leftover, LeftoverKind
from service.storage.object_keys import project_folder
from service.tuning import repository
from service.tuning.models import TunedModel, TuningRun


def remove_model(
    session: Session, model_id: str, *, project_id: str, keep_tuning: bool = False
) -> list[Leftover]:
    """Delete the row of a model that nothing uses.

    Returns what its tuning has left at the provider, endpoints first: nothing for one that was
    only attached to. The record of the tuning goes along unless another model uses the tuning
    again, or `keep_tuning` leaves it to be used again. Raises NotFound `model_not_found`, and
    Conflict `in_use` that names what uses the model.
    """
    row = repository.model(session, model_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no model {model_id}", code="model_not_found")
    trained_by = row.reused_from or row.job_id
    tuning = repository.tuning_of(session, trained_by)
    names = _remote_names(row, tuning)
    others = repository.models_of_tuning(session, trained_by, but=row.id)
    refuse_used(repository.remove_model(session, row.id), model_id)
    if not (others or keep_tuning):
        repository.remove_metrics(session, trained_by)
        if tuning is not None:
            repository.remove_tuning(session, tuning)
    if row.provider == LOCAL:
        return [Leftover(LeftoverKind.FOLDER, model_folder(project_id, row.id))]
    needed_by = others[0] if others else ""
    return [Leftover(LeftoverKind.TUNED, name, row.provider, needed_by) for name in names]


def model_folder(project_id: str, model_id: str) -> str:
    """Return the folder of the object store where a local model lies with its checkpoints."""
    return project_folder(project_id, "models", model_id)


def _remote_names(row: TunedModel, tuning: TuningRun | None) -> list[str]:
    """Return the endpoints and the model that a tuning of ours has made, whatever its end."""
    if tuning is None or tuning.attached:
        return []
    made = {**tuning.result, "endpoint": row.endpoint or tuning.result.get("endpoint")}
    checkpoints = [each.get("endpoint") for each in made.get("checkpoints") or []]
    names = [made["endpoint"], *checkpoints, row.resource_name or made.get("model")]
    return list(dict.fromkeys(name for name in names if name))
