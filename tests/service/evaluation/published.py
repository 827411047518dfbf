"""Published values to test against; they lie beside the repository, not in it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3].parent / "shared" / "data"


def published(name: str) -> Any:
    """Return the content of a JSON or JSON Lines file, or skip the test where there is none."""
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"../shared/data/{name} is not on this machine")
    raw = file.read_bytes()
    text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode()
    if ".jsonl" in file.name:
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text)
