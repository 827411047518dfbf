"""What a call is made to: a publisher model or the endpoint of a tuned one."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.catalogue import MODELS, bare_name
from emulator.errors import GoogleError
from emulator.resources import project_number
from emulator.tuning.records import Tuning
from emulator.tuning.store import TuningStore


@dataclass(frozen=True, slots=True)
class Target:
    """What is called, and where: `name` in the ledger, the base model for the quota, the tuning."""

    name: str
    base_model: str
    model_version: str
    location: str
    tuning: Tuning | None = None


def find_target(path: Mapping[str, str], *, tunings: TuningStore) -> Target:
    """Return the model or endpoint of a path. Raises GoogleError 404 for one that is not there."""
    if "endpoint" in path:
        number = project_number(path["project"])
        name = f"projects/{number}/locations/{path['location']}/endpoints/{path['endpoint']}"
        return endpoint_target(name, tunings=tunings)
    name = (
        f"projects/{path['project']}/locations/{path['location']}"
        f"/publishers/{path['publisher']}/models/{path['model']}"
    )
    return publisher_target(name, publisher=path["publisher"], location=path["location"])


def endpoint_target(name: str, *, tunings: TuningStore) -> Target:
    """Return the tuned model behind an endpoint's full name, project number included.

    Raises GoogleError 404 for one that was deleted and 400 for one whose model was undeployed.
    """
    tuning = tunings.serving(name)
    if name in tuning.removed:
        raise GoogleError(404, f"Endpoint `{name}` was not found.")
    if name in tuning.undeployed:
        message = f"Endpoint {name} doesn't have traffic_split."
        raise GoogleError(400, message, status="FAILED_PRECONDITION")
    return Target(name, tuning.base_model, tuning.base_model, tuning.model_location, tuning)


def publisher_target(name: str, *, publisher: str, location: str) -> Target:
    """Return the base model a name ending in `models/MODEL` or `models/MODEL@VERSION` means.

    Raises GoogleError 404 for an unknown model and for one called where it does not answer.
    """
    base_model = MODELS.get(bare_name(name)) if publisher == "google" else None
    if base_model is None or not base_model.answers_at(location):
        raise GoogleError(
            404,
            f"Publisher Model `{name}` was not found or your project does not have access to it. "
            "Please ensure you are using a valid model version.",
        )
    version = name.rsplit("/", 1)[-1]
    return Target(bare_name(name), bare_name(name), version, location)
