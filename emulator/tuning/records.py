"""A tuning as it is kept, and the TuningJob resource it is shown as."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.catalogue import tuning_cost
from emulator.resources import derived_id


class State(StrEnum):
    QUEUED = "JOB_STATE_QUEUED"
    PENDING = "JOB_STATE_PENDING"
    RUNNING = "JOB_STATE_RUNNING"
    SUCCEEDED = "JOB_STATE_SUCCEEDED"
    FAILED = "JOB_STATE_FAILED"
    CANCELLING = "JOB_STATE_CANCELLING"
    CANCELLED = "JOB_STATE_CANCELLED"
    EXPIRED = "JOB_STATE_EXPIRED"
    PARTIALLY_SUCCEEDED = "JOB_STATE_PARTIALLY_SUCCEEDED"


class Stage(StrEnum):
    """Where an open tuning is in detail; shown as `tuningJobState`, which the v1 types lack."""

    WAITING_FOR_QUOTA = "TUNING_JOB_STATE_WAITING_FOR_QUOTA"
    PROCESSING_DATASET = "TUNING_JOB_STATE_PROCESSING_DATASET"
    TUNING = "TUNING_JOB_STATE_TUNING"
    POST_PROCESSING = "TUNING_JOB_STATE_POST_PROCESSING"


SUPERVISED, PREFERENCE = SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
SERVED = frozenset({State.SUCCEEDED, State.PARTIALLY_SUCCEEDED})
ENDED = SERVED | {State.FAILED, State.CANCELLED, State.EXPIRED}
_MOST_CHECKPOINTS = 10


def kept_epochs(epochs: int, *, last_only: bool) -> list[int]:
    """Return the epochs after which the model is kept: all of up to ten, else ten evenly spread.

    The last is always one of them. Source: Google's page on checkpoints in supervised fine-tuning,
    which says "around 10" without the exact epochs.
    """
    if last_only:
        return [epochs]
    count = min(epochs, _MOST_CHECKPOINTS)
    return [-(-epochs * number // count) for number in range(1, count + 1)]


@dataclass(frozen=True, slots=True)
class Tuning:
    """One tuning job; `project` is a number, `requested` the client's fields in Google's JSON.

    `serial` counts the tunings of this server and orders the list. `seed` steers the learner.
    `uploaded` is set when there is a model, which a tuning that FAILED later leaves behind.
    `removed` names the models and endpoints deleted since, `undeployed` the endpoints left empty.
    `ancestors` are the tunings, oldest first, whose model this one continues, `epochs_before`
    the epochs of that model. `beta` is of preference tuning. `content` is the MD5 of the training
    rows, as Cloud Storage writes it. `evaluations` are shown as `evaluateDatasetRuns`.
    """

    tuning_id: str
    serial: int
    project: str
    location: str
    base_model: str
    requested: dict[str, Any]
    training_uri: str
    validation_uri: str | None
    epochs: int
    learning_rate_multiplier: float
    seed: int
    model_location: str
    model_id: str
    endpoint_id: str
    created: str
    updated: str
    state: State = State.PENDING
    started: str | None = None
    ended: str | None = None
    error: dict[str, Any] | None = None
    training_rows: int | None = None
    data_stats: dict[str, Any] | None = None
    head: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    stage: Stage | None = None
    uploaded: bool = False
    removed: list[str] = field(default_factory=list)
    undeployed: list[str] = field(default_factory=list)
    model_version: int = 1
    ancestors: list[str] = field(default_factory=list)
    epochs_before: int = 0
    content: str = ""
    beta: float | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spec_name(self) -> str:
        """The member of the resource that says what it learns from."""
        return next((name for name in SPECS if name in self.requested), SUPERVISED)

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def name(self) -> str:
        return f"{self.parent}/tuningJobs/{self.tuning_id}"

    @property
    def model(self) -> str:
        return f"{self.model_name}@{self.model_version}"

    @property
    def model_name(self) -> str:
        """The model's name without the version."""
        return f"projects/{self.project}/locations/{self.model_location}/models/{self.model_id}"

    @property
    def endpoint(self) -> str:
        return (
            f"projects/{self.project}/locations/{self.model_location}/endpoints/{self.endpoint_id}"
        )

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.requested.get("labels", {}))

    @property
    def display_name(self) -> str:
        return str(self.requested.get("tunedModelDisplayName", ""))

    def resource(self) -> dict[str, Any]:
        """Return the TuningJob as Google shows it: enums by name, int64 as strings."""
        optional = {
            "startTime": self.started,
            "endTime": self.ended,
            "error": self.error,
            "experiment": self._experiment() if self.started else None,
            "tunedModel": self._tuned_model(),
            "tuningJobState": self.stage.value if self.stage else None,
            "tuningJobMetadata": self._metadata(),
            "tuningDataStats": self.data_stats,
            "evaluateDatasetRuns": self.evaluations or None,
        }
        always = {
            "name": self.name,
            "state": self.state.value,
            "createTime": self.created,
            "updateTime": self.updated,
        }
        shown = {name: value for name, value in optional.items() if value is not None}
        return self.requested | always | shown

    def summary(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "display_name": self.display_name,
            "labels": self.labels,
            "state": self.state.value,
            "base_model": self.base_model,
            "had_rows": bool(self.content),
            "training_rows": self.training_rows,
            "epochs": self.epochs,
            "trained_tokens": self.trained_tokens,
            "cost_usd": tuning_cost(self.base_model, trained_tokens=self.trained_tokens),
        }

    @property
    def trained_tokens(self) -> int:
        """The tokens a training is billed for: those of the rows, once for each epoch learned."""
        stats: dict[str, Any] = next(iter((self.data_stats or {}).values()), {})
        return int(stats.get("totalBillableTokenCount", 0)) * self.epochs

    def _metadata(self) -> dict[str, str] | None:
        """Return how many epochs are done; `completedStepCount` is of reinforcement tuning only."""
        return {"completedEpochCount": str(len(self.history))} if self.history else None

    def _experiment(self) -> str:
        contexts = f"{self.parent}/metadataStores/default/contexts"
        return f"{contexts}/tuning-experiment-{self.tuning_id}"

    @property
    def checkpoints(self) -> dict[int, str]:
        """Return the full endpoint name of each epoch that leaves a checkpoint, in order."""
        spec = self.requested.get(self.spec_name, {})
        epochs = kept_epochs(self.epochs, last_only=bool(spec.get("exportLastCheckpointOnly")))
        home = self.endpoint.removesuffix(self.endpoint_id)
        names = {epoch: home + derived_id(self.endpoint_id, epoch) for epoch in epochs}
        return names | {self.epochs: self.endpoint}

    @property
    def served(self) -> dict[int, str]:
        """Return the endpoints of the checkpoints that answer: while RUNNING those made so far."""
        if self.state in SERVED:
            return self.checkpoints
        made = len(self.history) if self.state == State.RUNNING else 0
        return {epoch: name for epoch, name in self.checkpoints.items() if epoch <= made}

    def _tuned_model(self) -> dict[str, Any] | None:
        checkpoints = [
            {
                "checkpointId": str(number),
                "epoch": str(epoch),
                "step": str(sum(record["predictions"] for record in self.history[:epoch])),
                "endpoint": endpoint,
            }
            for number, (epoch, endpoint) in enumerate(self.served.items(), start=1)
        ]
        if not checkpoints:
            return {"model": self.model} if self.uploaded and self.state in ENDED else None
        endpoint = {"endpoint": self.endpoint} if self.endpoint in self.served.values() else {}
        return {"model": self.model} | endpoint | {"checkpoints": checkpoints}


def read_tuning(document: dict[str, Any]) -> Tuning:
    stage = document.get("stage")
    kinds = {"state": State(document["state"]), "stage": Stage(stage) if stage else None}
    return Tuning(**(document | kinds))
