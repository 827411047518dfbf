"""Models and endpoints as Google shows them, read off the tunings that made them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from emulator.tuning.records import Tuning

_MADE_BY_TUNING = {"tune-type": "sft"}
"""The label by which google-genai lists tuned models; it asks for any value."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that exists; `place` orders the list, newest tuning first."""

    tuning: Tuning
    name: str
    checkpoint: dict[str, Any]
    place: int

    @property
    def made(self) -> str:
        """Return when its checkpoint was there to be served."""
        epoch = int(self.checkpoint["epoch"])
        return str(self.tuning.history[epoch - 1].get("moment", self.tuning.updated))

    @property
    def deployed_id(self) -> str:
        """Return the id of the deployed model: a number of the endpoint's own."""
        return str(10**18 + crc32(self.name.encode()))

    def deployed_models(self) -> list[dict[str, Any]]:
        if self.name in self.tuning.undeployed:
            return []
        return [
            {
                "id": self.deployed_id,
                "model": self.tuning.model_name,
                "modelVersionId": str(self.tuning.model_version),
                "displayName": self.tuning.display_name,
                "createTime": self.made,
                "checkpointId": self.checkpoint["checkpointId"],
            }
        ]

    def resource(self) -> dict[str, Any]:
        deployed = self.deployed_models()
        optional = {
            "displayName": self.tuning.display_name,
            "labels": self.tuning.labels,
            "deployedModels": deployed,
            "trafficSplit": {model["id"]: 100 for model in deployed},
        }
        return _without_empty(optional) | {
            "name": self.name,
            "createTime": self.made,
            "updateTime": self.made,
            "etag": str(self.place),
        }


@dataclass(frozen=True, slots=True)
class Model:
    """A tuned model that exists, and the endpoints that serve it or one of its checkpoints."""

    tuning: Tuning
    checkpoints: list[dict[str, Any]]
    endpoints: list[Endpoint]

    @property
    def name(self) -> str:
        return self.tuning.model_name

    @property
    def version(self) -> int:
        return self.tuning.model_version

    @property
    def place(self) -> int:
        return -self.tuning.serial

    def deployments(self) -> list[dict[str, Any]]:
        return [
            {
                "endpoint": endpoint.name,
                "deployedModelId": deployed["id"],
                "checkpointId": deployed["checkpointId"],
            }
            for endpoint in self.endpoints
            for deployed in endpoint.deployed_models()
        ]

    def described_checkpoints(self) -> list[dict[str, Any]]:
        names = ("checkpointId", "epoch", "step")
        return [{name: checkpoint[name] for name in names} for checkpoint in self.checkpoints]

    def resource(self, *, is_default: bool = True) -> dict[str, Any]:
        """Return the model; by default a name means its newest version."""
        made = self.tuning.ended or self.tuning.updated
        optional = {
            "displayName": self.tuning.display_name,
            "labels": self.tuning.labels | _MADE_BY_TUNING,
            "deployedModels": self.deployments(),
            "checkpoints": self.described_checkpoints(),
            "defaultCheckpointId": self.checkpoints[-1]["checkpointId"] if self.checkpoints else "",
        }
        return _without_empty(optional) | {
            "name": self.name,
            "versionId": str(self.version),
            "versionAliases": ["default"] if is_default else [],
            "versionCreateTime": made,
            "versionUpdateTime": made,
            "createTime": made,
            "updateTime": made,
            "etag": str(self.tuning.serial),
            "modelSourceInfo": {"sourceType": "GENIE"},
            "baseModelSource": {
                "genieSource": {
                    "baseModelUri": f"publishers/google/models/{self.tuning.base_model}"
                }
            },
        }


def model_of(tuning: Tuning) -> Model | None:
    """Return the tuning's model, None when it made none or it was deleted."""
    tuned = tuning.resource().get("tunedModel", {})
    if "model" not in tuned or tuning.model_name in tuning.removed:
        return None
    return Model(tuning, list(tuned.get("checkpoints", [])), list(endpoints_of(tuning)))


def endpoints_of(tuning: Tuning) -> Iterator[Endpoint]:
    """Yield the endpoints of the tuning that were not deleted, one for each checkpoint served."""
    tuned = tuning.resource().get("tunedModel", {})
    for index, checkpoint in enumerate(tuned.get("checkpoints", [])):
        name = checkpoint.get("endpoint")
        if name and name not in tuning.removed:
            yield Endpoint(tuning, name, checkpoint, place=index - tuning.serial * 10**6)


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
