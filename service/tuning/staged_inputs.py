"""Where the copies of a tuning's rows lie: in the folder of its dataset, with which they go."""

from collections.abc import Callable

from service.storage.object_keys import project_folder
from service.storage.ports import ObjectStore
from service.storage.staged_inputs import StagedInputs
from service.tuning.models import TuningRun

FOLDER = "tunings"


def staging_folder(row: TuningRun, dataset_id: str) -> str:
    return project_folder(row.project_id, "datasets", dataset_id, FOLDER, row.id)


def staged_inputs(
    row: TuningRun, store: Callable[[], ObjectStore], *, dataset: str | None = None
) -> StagedInputs:
    """Return the copies of a tuning; `dataset` says where they go where its record does not, as
    those written by earlier versions.
    """
    folder = row.staged_in or (staging_folder(row, dataset) if dataset else None)
    return StagedInputs(store, folder)
