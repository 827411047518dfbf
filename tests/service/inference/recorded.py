"""Answers that Gemini gave to others, published with their test suites; not in this repository."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "../shared/data/gemini"
needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason="no ../shared/data/gemini")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer as it came over the wire: from where, to which verb, and its status."""

    source: str
    verb: str
    status: int
    body: bytes


def everything() -> Iterator[Recorded]:
    """Yield every answer there is: recorded calls, Firebase's collection, a batch's lines."""
    for row in _rows("recorded_interactions_shared.jsonl.gz"):
        path = row["uri"].split("?")[0].rsplit("/", 1)[-1]
        verb = path.rpartition(":")[2] if ":" in path else "other"
        yield Recorded("recorded", verb, row["status"], _bytes(row["response_body"]))
    for row in _rows("firebase_vertexai_sdk_responses_vertexai.jsonl.gz"):
        name = Path(row["path"]).name
        yield Recorded("firebase", name, _status_of(name, row["raw"]), row["raw"].encode())
    for line in (FOLDER / "vertex_batch_prediction_output.jsonl").read_text().splitlines():
        yield Recorded("batch", "line", 200, _bytes(json.loads(line)["response"]))


def firebase_answers() -> dict[str, Any]:
    """Return the unary answers of the Firebase SDK's test data, by file name; JSON ones only."""
    rows = _rows("firebase_vertexai_sdk_responses_vertexai.jsonl.gz")
    unary = {Path(row["path"]).name: row["raw"] for row in rows if "/unary-" in row["path"]}
    return {name: json.loads(raw) for name, raw in unary.items() if name.endswith(".json")}


def interactions() -> Iterator[tuple[int, Any]]:
    """Yield status and body of the recorded `generateContent` calls."""
    for row in _rows("recorded_interactions_shared.jsonl.gz"):
        if row["uri"].split("?")[0].endswith(":generateContent"):
            yield row["status"], row["response_body"]


def _bytes(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _status_of(name: str, raw: str) -> int:
    """Return the status an answer came with: files do not say, but errors repeat it."""
    try:
        body = json.loads(raw)
    except ValueError:
        return 404 if name.endswith(".html") else 200
    error = body.get("error") if isinstance(body, dict) else None
    return int(error["code"]) if isinstance(error, dict) and "code" in error else 200


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(FOLDER / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
