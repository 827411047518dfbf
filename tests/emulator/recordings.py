"""Recorded traffic of the real service, and the comparison of shapes with it."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

from tests.support.shared_data import shared_data

_INTERACTIONS = "gemini/recorded_interactions_shared.jsonl.gz"
_RESPONSES = "gemini/firebase_vertexai_sdk_responses_vertexai.jsonl.gz"


def interactions(method: str, *, status: int = 200) -> list[dict[str, Any]]:
    """Return recorded calls of Vertex AI whose address ends in `:method`."""
    return [
        row
        for row in _read(_INTERACTIONS)
        if "aiplatform" in row["uri"] and row["uri"].endswith(f":{method}")
        if row["status"] == status
    ]


def streamed_responses(name: str) -> list[dict[str, Any]]:
    """Return the events of a recorded stream, by the name of its file."""
    raw = next(row["raw"] for row in _read(_RESPONSES) if row["path"].endswith(f"/{name}"))
    lines = [line for line in raw.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def whole_response(name: str) -> dict[str, Any]:
    """Return a recorded answer that came in one piece, by the name of its file."""
    raw = next(row["raw"] for row in _read(_RESPONSES) if row["path"].endswith(f"/{name}"))
    response: dict[str, Any] = json.loads(raw)
    return response


def same_shape(ours: Any, recorded: Any) -> bool:
    """Compare keys and JSON types, all the way down; lists by their first items."""
    match ours, recorded:
        case dict(), dict():
            return ours.keys() == recorded.keys() and all(
                same_shape(value, recorded[key]) for key, value in ours.items()
            )
        case [mine, *_], [theirs, *_]:
            return same_shape(mine, theirs)
        case _:
            return _kind(ours) == _kind(recorded)


def _kind(value: Any) -> str:
    """Name the JSON type; JSON knows one kind of number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__


def _read(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(shared_data(name), "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
