"""All that a tuning is asked for, and the stored files of a dataset that it reads. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.datasets.queries import DatasetView
from service.errors import Fault, Invalid
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.ports import Continuation, TuningMethod
from service.tuning.schemas import HyperparametersSpec, TuneSpec
from service.tuning.spec_fields import ProviderEvaluationSpec

StoredFile = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """Equal settings on equal rows are the same tuning; names and labels do not count.

    `base_model` is that of the tuned model where it continues one.
    """

    base_model: str
    train_size: int
    hyperparameters: HyperparametersSpec
    method: TuningMethod = TuningMethod.SUPERVISED
    validation: bool = True
    continue_from: Continuation | None = None
    export_last_checkpoint_only: bool = False
    evaluation: ProviderEvaluationSpec | None = None
    kms_key_name: str | None = None
    replicate: int = 0
    local: LocalTrainingSpec | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is asked, without what was not asked for, so that a setting that is new here
        changes nothing about tunings without it.
        """
        special = {
            "method": None if self.method is TuningMethod.SUPERVISED else self.method.value,
            "continue_from": None if self.continue_from is None else asdict(self.continue_from),
            "export_last_checkpoint_only": self.export_last_checkpoint_only or None,
            "evaluation": self.evaluation.model_dump(mode="json") if self.evaluation else None,
            "kms_key_name": self.kms_key_name,
            "replicate": self.replicate or None,
            "local": self.local.model_dump(mode="json") if self.local else None,
        }
        plain = {
            "base_model": self.base_model,
            "hyperparameters": self.hyperparameters.model_dump(mode="json", exclude_none=True),
        }
        return plain | {name: value for name, value in special.items() if value is not None}


def settings_of(
    spec: TuneSpec, *, base_model: str, continue_from: Continuation | None
) -> TuningSettings:
    """Return what a spec asks for, with the models that it means looked up."""
    return TuningSettings(
        base_model=base_model,
        train_size=spec.train_size,
        hyperparameters=spec.hyperparameters,
        method=spec.method,
        validation=spec.validation,
        continue_from=continue_from,
        export_last_checkpoint_only=spec.export_last_checkpoint_only,
        evaluation=spec.evaluation,
        kms_key_name=spec.kms_key_name,
        replicate=spec.replicate,
        local=spec.local,
    )


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
