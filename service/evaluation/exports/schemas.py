"""What crosses HTTP about an evaluation's rows and its manifest."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from service.evaluation.judges.reports import JudgeReport
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.confidence import ConfidenceReport
from service.evaluation.scoring.findings import AnswerFinding
from service.evaluation.setup_schemas import EvaluationSetup


class EvaluationRowOut(BaseModel):
    """One row: the names are those of the files. Tables of earlier versions lack some."""

    object: Literal["evaluation_row"] = "evaluation_row"
    evaluation_id: str = Field(default="", description="the evaluation")
    variant: str | None = None
    model: str | None = None
    base_model: str | None = None
    position: int
    example_id: str
    group: str = ""
    label: str = ""
    input: str | None = None
    prediction: str | None
    answer: str | None = Field(default=None, description="what the prediction says: what is scored")
    references: list[str]
    rejected: str = Field(
        default="", description="the answer that the reference was preferred to; empty without"
    )
    outcome: str | None = Field(description="ok, refused, truncated, unparsable or failed")
    correct: bool | None = Field(default=None, description="null where there is none to score")
    scores: dict[str, float | None] = Field(
        default={}, description="what the row earned, by metric"
    )
    findings: list[str] = Field(default=[], description="what is wrong but for the score")
    shot_ids: list[str] = Field(default=[], description="training examples in the prompt")
    samples: int = Field(default=1, description="answers that were asked for")
    agreement: int | None = Field(
        default=None, description="answers that agree with the prediction, itself included"
    )
    confidence: float | None = Field(default=None, description="agreement over samples")
    verbal_confidence: float | None = Field(
        default=None, description="how likely a judge says the answer is right, 0 to 1"
    )
    logprob: float | None = Field(
        default=None, description="log-probability of the prediction, where the model returns it"
    )
    finish_reason: str | None
    error: str | None
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = Field(default=None, description="null where no price is known")
    latency_ms: int | None = Field(default=None, description="null for cached and batched answers")
    synthetic: bool = Field(default=False, description="answered by the emulator, not by Gemini")
    cached: bool = Field(default=False, description="an answer that was paid for before")
    answered_at: datetime | None = Field(default=None, description="when the answer was stored")


class ScoreSignature(BaseModel):
    """A metric, and all that its value depends on but the texts."""

    metric: str
    signature: str | None = Field(description="null for scores of earlier versions")
    value: float | None


class EvaluationManifest(BaseModel):
    """All that says what an evaluation's results are of, and to check its file."""

    object: Literal["evaluation_manifest"] = "evaluation_manifest"
    id: str
    created_at: datetime
    ready_at: datetime | None
    version: str = Field(description="of Tunecurve, now")
    dataset: str
    dataset_fingerprint: str | None = Field(description="SHA-256 over all examples")
    preset: str
    split: str
    rows: int | None
    variant: VariantKind
    model: str | None
    base_model: str
    shots: int
    setup: EvaluationSetup | None = Field(description="null for earlier versions")
    metrics: list[ScoreSignature]
    outcomes: dict[str, int] = Field(description="rows by outcome")
    findings: list[AnswerFinding] = Field(description="what is odd about the answers")
    confidence: list[ConfidenceReport] = Field(description="what confidence is worth")
    judge: JudgeReport | None = Field(description="the judge by a rubric; null without one")
    table_sha256: str = Field(description="of the Parquet file at `content`")
    table_version: int = Field(description="of the names and meanings of its columns")
    synthetic: bool = Field(description="answered by the emulator, not by Gemini")
    unlisted_model: bool = Field(description="unknown or retired, used as the job allowed")
