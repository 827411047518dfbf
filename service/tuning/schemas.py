"""What crosses HTTP about tuning: the specs of `tune` and `poll` jobs, and models."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.catalogue.entry import BASE_MODEL_PATTERN
from service.ids import Prefix, id_pattern
from service.jobs.lifecycle import State
from service.jobs.schemas import OutputState, output_state
from service.tuning.curve_schemas import OverfittingFinding
from service.tuning.local_spec import VERTEX_FIELDS, LocalTrainingSpec, provider_mistakes
from service.tuning.models import TunedModel, TuningRun
from service.tuning.outcome_schemas import ModelBilling, ProviderCheckpointScores, present_billing
from service.tuning.ports import TuningMethod
from service.tuning.spec_fields import (
    ContinueFromSpec,
    KmsKeyName,
    ProviderEvaluationSpec,
    ProviderLabels,
    ServiceAccount,
)

ProviderName = Literal["vertex", "local"]


class HyperparametersSpec(BaseModel):
    """What is left out is chosen by the provider, from the size of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int | None = Field(default=None, ge=1, le=100)
    learning_rate_multiplier: float | None = Field(default=None, gt=0, le=10)
    adapter_size: Literal[1, 2, 4, 8, 16, 32] | None = Field(
        default=None, description="rank of the LoRA adapter; the catalogue lists a model's"
    )
    beta: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="of preference tuning only: how closely the tuned model keeps to its base",
    )


class TuneSpec(BaseModel):
    """Tune a base model, or a tuned model further, on the first `train_size` examples of a dataset.

    What the catalogue knows of the base model is checked when the job is submitted.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "dataset": "ds_01jd5v3q0e8k3v7m2x9y4z6abc",
                    "train_size": 200,
                    "base_model": "gemini-3.1-flash-lite",
                    "hyperparameters": {"epochs": 4, "adapter_size": 1},
                },
                {
                    "dataset": "ds_01jd5v3q0e8k3v7m2x9y4z6abc",
                    "train_size": 200,
                    "method": "preference",
                    "base_model": "gemini-2.5-flash",
                    "allow_unlisted_model": True,
                    "hyperparameters": {"epochs": 2, "beta": 0.1},
                },
            ]
        },
    )

    dataset: str = Field(pattern=id_pattern(Prefix.DATASET))
    train_size: int = Field(
        ge=1, le=1_000_000, description="one of the sizes the dataset was prepared with"
    )
    base_model: str | None = Field(
        default=None,
        pattern=BASE_MODEL_PATTERN,
        description="name of a base model; the installation's default without one",
        examples=["gemini-3.1-flash-lite"],
    )
    continue_from: ContinueFromSpec | None = Field(
        default=None, description="tune this model further, in place of `base_model`"
    )
    method: TuningMethod = Field(
        default=TuningMethod.SUPERVISED,
        description="`preference` learns from pairs of a chosen and a rejected answer (DPO): of a "
        "dataset prepared with `form`: preference. It follows Google's documentation and was never "
        "observed there",
    )
    validation: bool = Field(
        default=True, description="send the validation rows too, where the dataset has some"
    )
    hyperparameters: HyperparametersSpec = HyperparametersSpec()
    provider: ProviderName = "vertex"
    local: LocalTrainingSpec | None = Field(
        default=None, description="with the provider `local`: how it trains; null: as it sees fit"
    )
    fresh: bool = Field(
        default=False,
        description="tune and pay anew where an identical tuning of the project has succeeded",
    )
    replicate: int = Field(
        default=0,
        ge=0,
        le=9,
        description="above 0: a tuning of its own, although an identical one has succeeded, to see "
        "how much luck there is in a tuning",
    )
    export_last_checkpoint_only: bool = Field(
        default=False, description="keep no checkpoint but the last"
    )
    evaluation: ProviderEvaluationSpec | None = None
    display_name: str | None = Field(
        default=None, max_length=128, description="of the tuned model at the provider"
    )
    description: str | None = Field(
        default=None, max_length=1024, description="of the tuning at the provider"
    )
    labels: ProviderLabels = {}
    service_account: ServiceAccount | None = Field(
        default=None,
        description="who reads the files and tunes, in place of the provider's own agent",
    )
    kms_key_name: KmsKeyName | None = Field(
        default=None,
        description="key of your own (CMEK) that encrypts the tuned model, in the tuning's region",
    )
    allow_unlisted_model: bool = Field(
        default=False, description="use a base model that is unknown or retired; results say so"
    )

    @model_validator(mode="after")
    def _starts_from_one_model(self) -> Self:
        if self.base_model is not None and self.continue_from is not None:
            message = "give `base_model` or `continue_from`: a tuned model brings its base model"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _provider_has_its_own(self) -> Self:
        mistakes = provider_mistakes(
            self.provider,
            base_model=self.base_model,
            local=self.local,
            vertex_only={
                "hyperparameters.learning_rate_multiplier": (
                    self.hyperparameters.learning_rate_multiplier
                ),
                **{name: getattr(self, name) for name in VERTEX_FIELDS},
            },
        )
        for mistake in mistakes:
            raise ValueError(mistake)
        return self


class PollSpec(BaseModel):
    """Attach to a tuning that exists at the provider and see it through."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"resource_name": "projects/123/locations/us-central1/tuningJobs/456"}]
        },
    )

    resource_name: str = Field(
        pattern=r"^projects/[^/\s]+/locations/[a-z0-9-]{1,40}/tuningJobs/[0-9A-Za-z_-]{1,100}$",
        max_length=400,
        description="the whole name of the tuning job",
        examples=["projects/123/locations/us-central1/tuningJobs/456"],
    )
    provider: Literal["vertex"] = "vertex"


class ContinuedFrom(BaseModel):
    """The model that a tuning continued."""

    model: str
    checkpoint: str | None = Field(description="null: its last one")


class Model(BaseModel):
    """A tuned model: read-only, made by a `tune` or `poll` job."""

    object: Literal["model"] = "model"
    id: str
    job: str
    state: OutputState
    base_model: str
    provider: dict[str, Any] = Field(
        description="name, resource, endpoint and location; state and phase as last reported"
    )
    dataset: str | None
    train_size: int | None
    method: TuningMethod
    documented_only: bool = Field(
        description="tuned as Google documents it, by a method that was never observed there: "
        "preference tuning"
    )
    continued_from: ContinuedFrom | None = Field(description="null: its base model itself")
    hyperparameters: dict[str, Any]
    checkpoints: list[dict[str, Any]]
    training: dict[str, Any] = Field(description="statistics as the provider reported them")
    provider_evaluations: list[ProviderCheckpointScores] = Field(
        default=[],
        description="what the provider's own `evaluation` of the checkpoints had found when the "
        "tuning ended; as Google documents it, never observed there",
    )
    billing: ModelBilling | None = Field(
        description="plan and bill of its tuning; null where it paid for none"
    )
    reused_from: str | None = Field(
        description="the job that paid for the identical tuning used again; null: its own did"
    )
    overfitting: OverfittingFinding | None = Field(
        default=None, description="what its training curves show; null where they show none"
    )
    synthetic: bool = Field(description="made by the emulator, not by Gemini")
    unlisted_model: bool = Field(description="unknown or retired, used as the job allowed")
    created_at: datetime
    ready_at: datetime | None


def present_model(row: TunedModel, *, job: State | None, tuning: TuningRun | None) -> Model:
    """Return a row as HTTP shows it; `tuning` is the record of the tuning that made it."""
    return Model(
        id=row.id,
        job=row.job_id,
        state=output_state(job, ready=row.ready_at is not None),
        base_model=row.base_model,
        provider={
            "name": row.provider,
            "resource": row.resource_name,
            "endpoint": row.endpoint,
            "location": row.location,
            "state": tuning.provider_state if tuning else None,
            "phase": tuning.phase if tuning else None,
        },
        dataset=row.dataset_id,
        train_size=row.train_size,
        method=TuningMethod(row.method),
        documented_only=TuningMethod(row.method) is TuningMethod.PREFERENCE,
        continued_from=ContinuedFrom(model=row.continued_from, checkpoint=row.checkpoint)
        if row.continued_from
        else None,
        hyperparameters=row.hyperparameters,
        checkpoints=row.checkpoints,
        training=row.statistics,
        provider_evaluations=[
            ProviderCheckpointScores.model_validate(each)
            for each in (tuning.result.get("evaluations") or () if tuning else ())
        ],
        billing=present_billing(row.billing) if row.billing else None,
        reused_from=row.reused_from,
        overfitting=(
            OverfittingFinding.model_validate(row.overfitting) if row.overfitting else None
        ),
        synthetic=row.synthetic,
        unlisted_model=row.unlisted_model,
        created_at=row.created_at,
        ready_at=row.ready_at,
    )
