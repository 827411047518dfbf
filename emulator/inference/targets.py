"""What a call is made to: a publisher model or the endpoint of a tuned one."""

from dataclasses import dataclass

from starlette.requests import Request

from emulator.errors import GoogleError
from emulator.projects import project_number
from emulator.state import Emulator, emulator_of
from emulator.tuning.catalogue import is_known_model, model_name
from emulator.tuning.records import Tuning


@dataclass(frozen=True, slots=True)
class Target:
    """What is called: `name` in the ledger, the base model for the quota, the tuning if tuned."""

    name: str
    base_model: str
    model_version: str
    tuning: Tuning | None = None


def find_target(request: Request) -> Target:
    """Return the model or endpoint of a path. Raises GoogleError 404 for one that is not there."""
    path = request.path_params
    if "endpoint" in path:
        number = project_number(path["project"])
        name = f"projects/{number}/locations/{path['location']}/endpoints/{path['endpoint']}"
        return endpoint_target(emulator_of(request), name)
    name = (
        f"projects/{path['project']}/locations/{path['location']}"
        f"/publishers/{path['publisher']}/models/{path['model']}"
    )
    return publisher_target(name, publisher=path["publisher"])


def endpoint_target(emulator: Emulator, name: str) -> Target:
    """Return the tuned model behind an endpoint's full name, project number included.

    Raises GoogleError 404 for one that was deleted and 400 for one whose model was undeployed.
    """
    tuning = emulator.tunings.serving(name)
    if name in tuning.removed:
        raise GoogleError(404, f"Endpoint `{name}` was not found.")
    if name in tuning.undeployed:
        message = f"Endpoint {name} doesn't have traffic_split."
        raise GoogleError(400, message, status="FAILED_PRECONDITION")
    return Target(name, tuning.base_model, tuning.base_model, tuning)


def publisher_target(name: str, *, publisher: str) -> Target:
    """Return the base model a name ending in `models/MODEL` or `models/MODEL@VERSION` means."""
    base_model = model_name(name)
    if publisher != "google" or not is_known_model(base_model):
        raise GoogleError(
            404,
            f"Publisher Model `{name}` was not found or your project does not have access to it. "
            "Please ensure you are using a valid model version.",
        )
    return Target(base_model, base_model, name.rsplit("/", 1)[-1])
