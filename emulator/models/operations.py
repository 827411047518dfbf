"""Long-running operations that are done when they are answered."""

import secrets
from typing import Any

from emulator.timestamps import timestamp

_TYPES = "type.googleapis.com/google.cloud.aiplatform"


def done_operation(
    parent: str, *, version: str, kind: str, response: str = "google.protobuf.Empty"
) -> dict[str, Any]:
    """Return an operation that has succeeded.

    `parent` is a project and location, `version` v1 or v1beta1, `kind` names the metadata's type
    and `response` the answer's, the latter in full or by its name in the API.
    """
    now = timestamp()
    answer = response if "." in response else f"google.cloud.aiplatform.{version}.{response}"
    return {
        "name": f"{parent}/operations/{10**18 + secrets.randbelow(9 * 10**18)}",
        "metadata": {
            "@type": f"{_TYPES}.{version}.{kind}",
            "genericMetadata": {"createTime": now, "updateTime": now},
        },
        "done": True,
        "response": {"@type": f"type.googleapis.com/{answer}"},
    }
