"""How a dataset is deleted, with the objects that no other one shares."""

from service.database import Sessions
from service.datasets import repository
from service.datasets.models import Dataset
from service.datasets.queries import get_dataset, require_row
from service.errors import Conflict
from service.jobs.operations import require_ended
from service.storage.ports import ObjectStore


def delete_dataset(
    dataset_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> None:
    """Delete a dataset, and those of its objects that no other dataset shares.

    Raises NotFound `dataset_not_found`; Conflict `not_ready` while its job may still write, or
    `in_use`.
    """
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    if row.ready_at is None:
        require_ended(row.job_id, sessions=sessions)
    with sessions.transaction() as session:
        keys = _object_keys(require_row(session, dataset_id, project_id))
        if not repository.remove(session, dataset_id):
            message = f"{dataset_id} is used by models, evaluations or experiments"
            raise Conflict(message, code="in_use")
        orphans = repository.unused(session, keys)
    for key in orphans:
        store.delete(key)


def _object_keys(row: Dataset) -> list[str]:
    manifest = row.report.get("manifest") or {"key": None}  # none where the job has failed
    files = [*row.training_files.values(), *row.splits.values(), manifest]
    return [key for key in (row.examples_key, *(file["key"] for file in files)) if key]
