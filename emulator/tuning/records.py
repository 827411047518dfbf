"""A tuning as it is kept, and the TuningJob resource it is shown as."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    PENDING = "JOB_STATE_PENDING"
    RUNNING = "JOB_STATE_RUNNING"
    SUCCEEDED = "JOB_STATE_SUCCEEDED"
    FAILED = "JOB_STATE_FAILED"
    CANCELLING = "JOB_STATE_CANCELLING"
    CANCELLED = "JOB_STATE_CANCELLED"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Tuning:
    """One tuning job; `project` is a number, `requested` the client's fields in Google's JSON.

    `serial` counts the tunings of this server and orders the list. `seed` steers the learner.
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

    @property
    def name(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/tuningJobs/{self.tuning_id}"

    @property
    def model(self) -> str:
        return f"projects/{self.project}/locations/{self.model_location}/models/{self.model_id}@1"

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

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def resource(self) -> dict[str, Any]:
        """Return the TuningJob as Google shows it: enums by name, int64 as strings."""
        optional = {
            "startTime": self.started,
            "endTime": self.ended,
            "error": self.error,
            "experiment": self._experiment() if self.started else None,
            "tunedModel": self._tuned_model() if self.state == State.SUCCEEDED else None,
            "tuningDataStats": self.data_stats,
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
            "training_rows": self.training_rows,
        }

    def _experiment(self) -> str:
        home = f"projects/{self.project}/locations/{self.location}/metadataStores/default"
        return f"{home}/contexts/tuning-experiment-{self.tuning_id}"

    def _tuned_model(self) -> dict[str, Any]:
        """Only the last checkpoint exists: the learner keeps no model of an earlier epoch."""
        steps = sum(record["predictions"] for record in self.history)
        checkpoint = {
            "checkpointId": "1",
            "epoch": str(self.epochs),
            "step": str(steps),
            "endpoint": self.endpoint,
        }
        return {"model": self.model, "endpoint": self.endpoint, "checkpoints": [checkpoint]}


def read_tuning(document: dict[str, Any]) -> Tuning:
    return Tuning(**(document | {"state": State(document["state"])}))
