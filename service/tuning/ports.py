"""What we ask of a service that tunes models."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from service.jobs.paid_operations.states import FoundOperation, OperationState
from service.registry import Registry


class TuningMethod(StrEnum):
    """What a tuning learns from: wanted answers, or pairs of a chosen and a rejected one (DPO)."""

    SUPERVISED = "supervised"
    PREFERENCE = "preference"


NOT_OBSERVED = "preference tuning follows Google's documentation; it was never observed at Google"


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """None leaves the choice to the provider; `adapter_size` is the LoRA rank, `beta` the weight
    that holds preference tuning to its base model.
    """

    epochs: int | None = None
    learning_rate_multiplier: float | None = None
    adapter_size: int | None = None
    beta: float | None = None


@dataclass(frozen=True, slots=True)
class Continuation:
    """A tuned model to continue: its resource name, and a checkpoint other than its last."""

    resource_name: str
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderEvaluation:
    """An evaluation of every checkpoint by the provider: computed `metrics`, and templates of
    `prompts` by which an autorater judges.
    """

    metrics: tuple[str, ...]
    prompts: tuple[str, ...]
    output_uri: str
    autorater_model: str | None
    autorater_samples: int
    max_output_tokens: int | None
    temperature: float | None


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """`run_id` travels as a label: it is how a lost answer is found again. So does `project_id`: a
    `poll` job attaches to tunings of its own project.

    With `continue_from` the provider takes that model, and not `base_model`.
    """

    run_id: str
    project_id: str
    base_model: str
    training_uri: str
    validation_uri: str | None
    display_name: str
    hyperparameters: Hyperparameters
    method: TuningMethod = TuningMethod.SUPERVISED
    continue_from: Continuation | None = None
    export_last_checkpoint_only: bool = False
    evaluation: ProviderEvaluation | None = None
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    kms_key_name: str | None = None


class MetricSeries(StrEnum):
    """The series of a training curve. Losses are means in nats, accuracies fractions of next
    tokens (or labels) that were right.
    """

    TRAIN_LOSS = "train_loss"
    VALIDATION_LOSS = "validation_loss"
    TRAIN_ACCURACY = "train_accuracy"
    VALIDATION_ACCURACY = "validation_accuracy"


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The value of a series after so many training steps; the value is finite."""

    series: MetricSeries
    step: int
    value: float


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is; None where the provider does not say."""

    epochs_done: int | None = None
    epochs_total: int | None = None
    steps_done: int | None = None
    steps_total: int | None = None


class TrainingPhase(StrEnum):
    """What a tuning is at; `running` where its provider says no more, `unknown` where it says
    what is unknown.
    """

    QUEUED = "queued"
    WAITING_FOR_QUOTA = "waiting_for_quota"
    PROCESSING_DATASET = "processing_dataset"
    WAITING_FOR_CAPACITY = "waiting_for_capacity"
    TRAINING = "training"
    POST_PROCESSING = "post_processing"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    ENDED = "ended"
    UNKNOWN = "unknown"

    @property
    def is_started(self) -> bool:
        """True once the provider works on the tuning."""
        return self in {
            TrainingPhase.PROCESSING_DATASET,
            TrainingPhase.TRAINING,
            TrainingPhase.POST_PROCESSING,
            TrainingPhase.RUNNING,
        }


@dataclass(frozen=True, slots=True)
class ProviderTuning:
    """A tuning as its provider reports it now.

    `endpoint` is where the tuned model answers and names its own location; a failed tuning may
    still have left a `model` behind, which is billed.
    """

    resource_name: str
    state: OperationState
    provider_state: str
    base_model: str = ""
    method: TuningMethod = TuningMethod.SUPERVISED
    model: str | None = None
    endpoint: str | None = None
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    evaluations: tuple[Mapping[str, Any], ...] = ()
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    training_tokens: int = 0
    error: Mapping[str, Any] | None = None
    run_id: str = ""
    project_id: str = ""
    phase: TrainingPhase = TrainingPhase.UNKNOWN
    progress: TrainingProgress | None = None


@dataclass(frozen=True, slots=True)
class MadeResource:
    """An endpoint or a model at a provider, and the labels of the tuning that made it."""

    name: str
    run_id: str
    project_id: str


# What a project's tunings are sent to, by its id, and the service account that it calls as.
Providers = Callable[[str], Registry["TuningProvider"]]
AccountOf = Callable[[str], str]


class MadeResources(Protocol):
    """Lists what tunings have made; raises what a TuningProvider does."""

    def made(self, locations: Collection[str]) -> Sequence[MadeResource]:
        """Return the endpoints, then the models at some locations that carry our labels."""
        ...

    def delete(self, resource_name: str) -> None: ...


class TuningProvider(Protocol):
    """Each call is one question; none retries by itself.

    All raise Unavailable when no answer came, RateLimited when refused for quota, Forbidden,
    NotFound `tuning_not_found`, and Invalid `provider_refused` with the provider's words.
    """

    @property
    def synthetic(self) -> bool:
        """True when the models are an emulator's."""
        ...

    @property
    def line(self) -> str:
        """The quota of tunings at once that its tunings take part of."""
        ...

    def connect(self) -> None:
        """Build the client of `submit` now; raises Forbidden where it has no credentials."""
        ...

    def submit(self, request: TuningRequest) -> str:
        """Start a tuning and return its resource name. After Unavailable it may still exist."""
        ...

    def find(self, run_id: str) -> Sequence[FoundOperation]:
        """Return all tunings labelled with `run_id`, in the order of their creation.

        Raises Unavailable unless the list was read to its end.
        """
        ...

    def poll(self, resource_name: str) -> ProviderTuning: ...

    def poll_many(self, resource_names: Sequence[str]) -> Mapping[str, ProviderTuning]:
        """Return by name those of many tunings, at one location, that few requests find."""
        ...

    def training_metrics(
        self, resource_name: str, *, after_step: int = -1
    ) -> Sequence[MetricPoint]:
        """Return the points of a tuning's training curves with a step above `after_step`, in no
        order; nothing while there are none.
        """
        ...

    def cancel(self, resource_name: str) -> None:
        """Ask to stop; a tuning that has ended is left as it is."""
        ...

    def delete(self, resource_name: str) -> None:
        """Delete a model, or an endpoint with what is deployed on it; one that is gone is fine."""
        ...
