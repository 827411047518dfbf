"""What a `tune` job works with: its dataset, the model it makes, and what it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.catalogue.catalogue import Catalogue
from service.database import Sessions
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Fault, Invalid, NotFound
from service.jobs.ports import JobRun
from service.tuning import repository
from service.tuning.inputs.checks import check_rows, check_settings
from service.tuning.inputs.continuation import continuation_of, parent_of
from service.tuning.inputs.settings import (
    TuningSettings,
    settings_of,
    training_file,
    validation_file,
)
from service.tuning.models import TunedModel, TuningRun
from service.tuning.ports import Hyperparameters, ProviderEvaluation, TuningRequest
from service.tuning.schemas import TuneSpec
from service.tuning.spec_fields import ProviderEvaluationSpec


@dataclass(frozen=True, slots=True)
class TuningInputs:
    """The finished dataset, the row of the model to be, and the settings."""

    dataset: DatasetView
    model: TunedModel
    settings: TuningSettings

    @property
    def training_uri(self) -> str:
        uri: str = training_file(self.dataset, self.settings)["uri"]
        return uri

    @property
    def row_keys(self) -> list[str]:
        """The keys of the training rows and, where they are asked for, the validation rows."""
        training = training_file(self.dataset, self.settings)
        validation = validation_file(self.dataset, self.settings)
        return [each["key"] for each in (training, validation) if each]


def read_inputs(run: JobRun, spec: TuneSpec, *, sessions: Sessions) -> TuningInputs:
    """Return the inputs of a job; raises InputNotReady while one is being made, NotFound, and
    Invalid where the dataset lacks the train size or the earlier model the checkpoint.
    """
    with sessions.reading() as session:
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        model = repository.model(session, run.outputs["model"], project_id=run.project_id)
        continued = continuation_of(session, spec, project_id=run.project_id)
        parent = parent_of(session, spec, project_id=run.project_id)
    if model is None:
        raise NotFound(f"no model {run.outputs['model']}", code="model_not_found")
    if spec.train_size not in dataset.train_sizes:
        sizes = ", ".join(map(str, dataset.train_sizes))
        message = f"{dataset.id} has no training file of {spec.train_size} rows; it has: {sizes}"
        fault = Fault("/spec/train_size", "unknown_train_size", message)
        raise Invalid(message, code="unknown_train_size", faults=[fault])
    base_model = parent.base_model if parent else model.base_model
    return TuningInputs(
        dataset, model, settings_of(spec, base_model=base_model, continue_from=continued)
    )


def check_inputs(inputs: TuningInputs, *, catalogue: Catalogue) -> None:
    """Raise Invalid for what could not be known when the job was submitted: the numbers of rows,
    and the base model of a tuned model that was still to be found.
    """
    settings = inputs.settings
    training_file(inputs.dataset, settings)
    if catalogue.entry(settings.base_model).listed:
        check_settings(catalogue, settings)
    check_rows(catalogue, settings, splits=inputs.dataset.splits)


def request_of(
    row: TuningRun, spec: TuneSpec, inputs: TuningInputs, *, rows: Sequence[str]
) -> TuningRequest:
    """Return what the provider is asked; `rows` are the addresses of `row_keys`' files. Pure."""
    settings = inputs.settings
    training_uri, *validation = rows
    return TuningRequest(
        run_id=row.id,
        project_id=row.project_id,
        base_model=settings.base_model,
        training_uri=training_uri,
        validation_uri=validation[0] if validation else None,
        display_name=spec.display_name or f"tunecurve-{spec.train_size}-{row.id[-8:]}",
        hyperparameters=Hyperparameters(**spec.hyperparameters.model_dump()),
        method=settings.method,
        continue_from=settings.continue_from,
        export_last_checkpoint_only=settings.export_last_checkpoint_only,
        evaluation=_evaluation(settings.evaluation) if settings.evaluation else None,
        description=spec.description or "",
        labels=spec.labels,
        service_account=spec.service_account,
        kms_key_name=settings.kms_key_name,
    )


def _evaluation(spec: ProviderEvaluationSpec) -> ProviderEvaluation:
    return ProviderEvaluation(
        metrics=spec.metrics,
        prompts=spec.prompts,
        output_uri=spec.output_uri,
        autorater_model=spec.autorater.model,
        autorater_samples=spec.autorater.samples,
        max_output_tokens=spec.max_output_tokens,
        temperature=spec.temperature,
    )
