"""The stored files that a tuning reads: rows of answers, or of pairs of answers. Pure."""

from collections.abc import Mapping
from typing import Any

from service.datasets.queries import DatasetView
from service.errors import Fault, Invalid
from service.tuning.inputs.settings import TuningSettings
from service.tuning.ports import TuningMethod

StoredFile = Mapping[str, Any]


def training_file(dataset: DatasetView, settings: TuningSettings) -> StoredFile:
    """Return the training rows, as JSON of `StoredRows`.

    Raises Invalid `pairs_required` where the method learns from pairs and the dataset has none.
    """
    file: StoredFile = dataset.training_files[str(settings.train_size)]
    if settings.method is TuningMethod.SUPERVISED:
        return file
    if not file.get("pairs"):
        message = f"{dataset.id} has no pairs of a chosen and a rejected answer"
        fault = Fault("/spec/method", "pairs_required", message)
        raise Invalid(message, code="pairs_required", faults=[fault])
    pairs: StoredFile = file["pairs"]
    return pairs


def validation_file(dataset: DatasetView, settings: TuningSettings) -> StoredFile | None:
    """Return the validation rows; None where the dataset has none or they are not asked for."""
    file: StoredFile = dataset.splits.get("validation") or {}
    if settings.method is TuningMethod.PREFERENCE:
        file = file.get("pairs") or {}
    return file if settings.validation and file.get("key") else None
