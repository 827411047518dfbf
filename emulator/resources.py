"""What all of Google's resources share: names under a project and location, ids and operations."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from emulator.clock import timestamp

_SMALLEST_NUMBER, _NUMBERS = 100_000_000_000, 900_000_000_000
_SMALLEST_ID, _IDS = 10**18, 9 * 10**18
_TYPES = "type.googleapis.com/google.cloud.aiplatform"


def project_number(project: str) -> str:
    """Return a number as it is, and for a project id the same twelve digits forever.

    Real answers name a project by its number, whatever the request used.
    """
    if project.isdigit():
        return project
    digest = hashlib.sha256(project.encode()).digest()
    return str(_SMALLEST_NUMBER + int.from_bytes(digest[:8], "big") % _NUMBERS)


def with_project_number(name: str) -> str:
    """Return a resource name that begins `projects/PROJECT/` with the project's number."""
    head, _, rest = name.removeprefix("projects/").partition("/")
    return f"projects/{project_number(head)}/{rest}"


def parent_of(path: Mapping[str, str]) -> str:
    """Return `projects/NUMBER/locations/LOCATION` for the parameters of a route's path."""
    return f"projects/{project_number(path['project'])}/locations/{path['location']}"


def last_segment(name: str) -> str:
    return name.rpartition("/")[2]


def new_id() -> str:
    """Return a random id of 19 digits."""
    return str(_SMALLEST_ID + secrets.randbelow(_IDS))


def derived_id(*facts: object) -> str:
    """Return an id of 19 digits, the same for the same facts."""
    digest = hashlib.blake2b(" ".join(map(str, facts)).encode(), digest_size=8).digest()
    return str(_SMALLEST_ID + int.from_bytes(digest, "big") % _IDS)


def finished_operation(
    parent: str, *, version: str, kind: str, response: str = "google.protobuf.Empty"
) -> dict[str, Any]:
    """Return a long-running operation that has succeeded.

    `parent` is a project and location, `version` v1 or v1beta1, `kind` names the metadata's type
    and `response` the answer's, the latter in full or by its name in the API.
    """
    now = timestamp()
    answer = response if "." in response else f"google.cloud.aiplatform.{version}.{response}"
    return {
        "name": f"{parent}/operations/{new_id()}",
        "metadata": {
            "@type": f"{_TYPES}.{version}.{kind}",
            "genericMetadata": {"createTime": now, "updateTime": now},
        },
        "done": True,
        "response": {"@type": f"type.googleapis.com/{answer}"},
    }
