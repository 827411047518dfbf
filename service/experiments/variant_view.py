"""A variant of an experiment as it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.evaluation.judges.reports import JudgeReport
from service.evaluation.scoring.confidence import ConfidenceReport


@dataclass(frozen=True, slots=True)
class VariantView:
    """One variant with its score, whatever it has come to."""

    name: str
    kind: str
    base_model: str
    train_size: int | None
    hyperparameters: Mapping[str, Any] | None
    epochs: int | None
    checkpoint: str | None
    replicate: int
    shots: int
    state: str
    metric: str | None
    score: float | None
    low: float | None
    high: float | None
    coverage: float | None
    test_rows: int | None
    n: int | None
    worst: float | None
    best: float | None
    groups: int | None
    leaky: bool
    model: str | None
    evaluation: str
    error: str | None
    confidence: Sequence[ConfidenceReport] = ()
    judge: JudgeReport | None = None
