"""Answers that Gemini gave to others, published with their test suites; not in this repository."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "../shared/data/gemini"
needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason="no ../shared/data/gemini")


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


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(FOLDER / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
