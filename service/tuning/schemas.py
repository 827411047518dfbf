"""What crosses HTTP about tuning: the specs of `tune` and `poll` jobs, and models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.catalogue.entry import BASE_MODEL_PATTERN
from service.ids import Prefix, id_pattern
from service.jobs.lifecycle import State
from service.jobs.schemas import OutputState, output_state
from service.tuning.models import TunedModel
from service.tuning.ports import MetricPoint, MetricSeries

ProviderName = Literal["vertex"]


class HyperparametersSpec(BaseModel):
    """What is left out is chosen by the provider, from the size of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int | None = Field(default=None, ge=1, le=100)
    learning_rate_multiplier: float | None = Field(default=None, gt=0, le=10)
    adapter_size: Literal[1, 2, 4, 8, 16, 32] | None = None


class TuneSpec(BaseModel):
    """Tune a base model on the first `train_size` examples of a dataset."""

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
                }
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
    hyperparameters: HyperparametersSpec = HyperparametersSpec()
    provider: ProviderName = "vertex"
    fresh: bool = Field(
        default=False,
        description="tune and pay anew where an identical tuning of the project has succeeded",
    )
    display_name: str | None = Field(default=None, max_length=128)
    allow_unlisted_model: bool = Field(
        default=False, description="use a base model that is unknown or retired; results say so"
    )


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
        pattern=r"^projects/[^/\s]{1,100}/locations/[a-z0-9-]{1,40}/tuningJobs/[0-9A-Za-z_-]{1,100}$",
        description="the whole name of the tuning job",
        examples=["projects/123/locations/us-central1/tuningJobs/456"],
    )
    provider: ProviderName = "vertex"


class Model(BaseModel):
    """A tuned model: read-only, made by a `tune` or `poll` job."""

    object: Literal["model"] = "model"
    id: str
    job: str
    state: OutputState
    base_model: str
    provider: dict[str, Any] = Field(description="name, resource, endpoint and location")
    dataset: str | None
    train_size: int | None
    hyperparameters: dict[str, Any]
    checkpoints: list[dict[str, Any]]
    training: dict[str, Any] = Field(description="statistics as the provider told them")
    reused_from: str | None = Field(
        description="the job that paid for the identical tuning used again; null: its own did"
    )
    synthetic: bool = Field(description="made by the emulator, not by Gemini")
    unlisted_model: bool = Field(description="unknown or retired, used as the job allowed")
    created_at: datetime
    ready_at: datetime | None


def present_model(row: TunedModel, *, job: State | None) -> Model:
    """Return a row as HTTP shows it."""
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
        },
        dataset=row.dataset_id,
        train_size=row.train_size,
        hyperparameters=row.hyperparameters,
        checkpoints=row.checkpoints,
        training=row.statistics,
        reused_from=row.reused_from,
        synthetic=row.synthetic,
        unlisted_model=row.unlisted_model,
        created_at=row.created_at,
        ready_at=row.ready_at,
    )


class TrainingPoint(BaseModel):
    """The value of a series after so many training steps."""

    step: int = Field(description="training steps so far")
    value: float = Field(description="of the series at that step")


class TrainingCurves(BaseModel):
    """How the training of a model went, or goes: its series by name, each in order of steps."""

    object: Literal["training_curves"] = "training_curves"
    model: str = Field(description="id of the model")
    synthetic: bool = Field(description="made by the emulator, not by Gemini")
    complete: bool = Field(description="the training has ended: no more points will come")
    series: dict[MetricSeries, list[TrainingPoint]] = Field(
        description="losses in nats, accuracies of next tokens; a series without points is absent"
    )


def present_curves(
    row: TunedModel, points: Sequence[MetricPoint], *, job: State | None
) -> TrainingCurves:
    """Return the training curves of a model as HTTP shows them."""
    series: dict[MetricSeries, list[TrainingPoint]] = {}
    for point in points:
        series.setdefault(point.series, []).append(
            TrainingPoint(step=point.step, value=point.value)
        )
    return TrainingCurves(
        model=row.id,
        synthetic=row.synthetic,
        complete=output_state(job, ready=row.ready_at is not None) != "creating",
        series=series,
    )
