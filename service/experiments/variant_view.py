"""A variant of an experiment as it stands, and as HTTP shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.evaluation.judges.reports import JudgeReport
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.confidence import ConfidenceReport
from service.jobs.schemas import OutputState


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


class ExperimentVariant(BaseModel):
    """One way of using the model, with its score on the common test rows."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: VariantKind
    base_model: str
    train_size: int | None
    hyperparameters: dict[str, Any] | None = Field(
        default=None, description="that its tuning was asked for; null unless tuned"
    )
    epochs: int | None = Field(default=None, description="of its tuning")
    checkpoint: str | None = Field(
        default=None, description="of the tuned model, that was chosen; null: the last"
    )
    replicate: int = Field(
        default=0, description="above 0: the same tuning once more, to see its luck"
    )
    shots: int
    state: OutputState
    metric: str | None
    score: float | None
    low: float | None
    high: float | None
    coverage: float | None
    test_rows: int | None
    groups: int | None = Field(description="groups that the scored test rows come from")
    leaky: bool = Field(description="test rows are known to leak into training, as was allowed")
    model: str | None
    evaluation: str
    error: str | None = Field(description="code of the job's failure")
    confidence: list[ConfidenceReport] = Field(description="what confidence is worth, by source")
    judge: JudgeReport | None = Field(default=None, description="what its verdicts are worth")
