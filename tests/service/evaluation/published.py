"""Values of our metrics, and published ones, which lie beside the repository, not in it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from service.evaluation.metrics.registry import METRICS

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


def value_of(metric: str, predictions: list[str], references: list[list[str]]) -> float:
    """Return the score of all rows, computed as the service does."""
    measure = METRICS[metric].measure()
    return float(measure.totals(measure.statistics(predictions, references).sum(axis=0)))
