"""Locations of Vertex AI: which host serves one, and which one serves a model. Pure."""

from collections.abc import Sequence

from service.catalogue.local_names import LOCAL, is_local

GLOBAL = "global"
_HOST = ".iam.gserviceaccount.com"
_PLACE_LENGTH = 100  # what the table of circuits holds
_MULTI_REGIONS = {"us": "us", "northamerica": "us", "southamerica": "us", "europe": "eu"}


def endpoint_of(location: str, *, emulator: str = "") -> str:
    """Return scheme and host that serve a location; `emulator` replaces all of Google's.

    One rule for calls, tunings, batches and every other service of Vertex AI.
    """
    if emulator:
        return emulator.rstrip("/")
    match location:
        case "global":
            return "https://aiplatform.googleapis.com"
        case "us" | "eu":
            return f"https://aiplatform.{location}.rep.googleapis.com"
        case _:
            return f"https://{location}-aiplatform.googleapis.com"


def location_of(resource_name: str) -> str:
    """Return the location in `projects/P/locations/LOCATION/…`, or that of local models; empty
    where there is none.
    """
    if is_local(resource_name):
        return LOCAL
    parts = resource_name.split("/")
    return parts[3] if len(parts) > 3 and parts[2] == "locations" else ""  # noqa: PLR2004


def place_of(provider: str, resource_name: str, *, account: str = "") -> str:
    """Return where a provider runs a resource, such as `vertex/us-central1`.

    What one service account is refused says nothing of others: each has places of its own.
    """
    place = f"{provider}/{location_of(resource_name)}"
    return f"{place}/{account.removesuffix(_HOST)}"[:_PLACE_LENGTH] if account else place


def nearest(location: str, served: Sequence[str]) -> str:
    """Return which of the locations that serve a model is used from `location`: itself, its
    multi-region, or else the first. None served means that all are.
    """
    if not served or location in served:
        return location
    region = _MULTI_REGIONS.get(location.partition("-")[0], "")
    return region if region in served else served[0]
