"""Rows of evaluations, their predictions and their scores."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model
from service.inference.models import AnswerColumns
from service.jobs.models import PaidOperationRow


class Evaluation(Model):
    """Reserved when its job is submitted; complete once `ready_at` is set.

    `setup` is an EvaluationSetup, `findings` are of AnswerFinding, `confusion` is a
    ConfusionMatrix, `confidence` are of ConfidenceReport; all are None for evaluations made before
    there were any. `checkpoint` is the one of the tuned model that is asked, chosen by the scores
    in `checkpoints` (CheckpointScore); None for the last. `prompt_search` is PromptSearchResult,
    `judge` a JudgeReport.
    """

    __tablename__ = "evaluation"
    __table_args__ = (Index("ix_evaluation_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(Id, ForeignKey("dataset.id"))
    model_id: Mapped[str | None] = mapped_column(Id, ForeignKey("model.id"))
    base_model: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    shots: Mapped[int] = mapped_column(Integer, default=0)
    samples: Mapped[int] = mapped_column(Integer, default=1)
    split: Mapped[str] = mapped_column(String(20))
    checkpoint: Mapped[str | None] = mapped_column(String(40))
    checkpoints: Mapped[list[Any] | None]
    prompt_search: Mapped[dict[str, Any] | None]
    rows: Mapped[int | None] = mapped_column(Integer)
    outcomes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    setup: Mapped[dict[str, Any] | None]
    findings: Mapped[list[Any] | None]
    confusion: Mapped[dict[str, Any] | None]
    confidence: Mapped[list[Any] | None]
    judge: Mapped[dict[str, Any] | None]
    usage: Mapped[dict[str, Any]] = mapped_column(default=dict)
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False)
    unlisted_model: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    table_key: Mapped[str | None] = mapped_column(String(200))
    lane: Mapped[str | None] = mapped_column(String(10))
    lane_reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]


class StoredAnswer(AnswerColumns):
    """Mixin of a table of answers by evaluation, example and sample."""

    evaluation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("evaluation.id", ondelete="CASCADE"), primary_key=True
    )
    example_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sample: Mapped[int] = mapped_column(Integer, primary_key=True, default=0)
    cost_nano: Mapped[int | None] = mapped_column(BigInteger)
    cached: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    latency_ms: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime]


class Prediction(StoredAnswer, Model):
    """One answer. The key makes a second write of the same answer impossible."""

    __tablename__ = "prediction"


class Judgement(StoredAnswer, Model):
    """What a judge said of the answer to an example; `sample` counts how often it was asked."""

    __tablename__ = "judgement"

    judge: Mapped[str] = mapped_column(String(20), primary_key=True)


class HumanVerdict(Model):
    """What a person said of the answer to an example: the place of a verdict, from 0, the worst."""

    __tablename__ = "human_verdict"

    evaluation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("evaluation.id", ondelete="CASCADE"), primary_key=True
    )
    example_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    rater: Mapped[str] = mapped_column(String(64), primary_key=True)
    place: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]


class ScoreRow(Model):
    """One metric of one evaluation; see `service.evaluation.scoring.scores.Score`."""

    __tablename__ = "score"

    evaluation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("evaluation.id", ondelete="CASCADE"), primary_key=True
    )
    metric: Mapped[str] = mapped_column(String(50), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, default=0)
    value: Mapped[float | None] = mapped_column(Float)
    low: Mapped[float | None] = mapped_column(Float)
    high: Mapped[float | None] = mapped_column(Float)
    n: Mapped[int] = mapped_column(Integer)
    rows: Mapped[int] = mapped_column(Integer)
    coverage: Mapped[float] = mapped_column(Float)
    worst: Mapped[float | None] = mapped_column(Float)
    best: Mapped[float | None] = mapped_column(Float)
    leaky: Mapped[bool] = mapped_column(Boolean, default=False)
    method: Mapped[str] = mapped_column(String(200))
    signature: Mapped[str | None] = mapped_column(String(200))
    caution: Mapped[str | None] = mapped_column(String(500))
    error: Mapped[str | None] = mapped_column(String(500))
    groups: Mapped[int | None] = mapped_column(Integer)


class BatchRun(PaidOperationRow, Model):
    """The domain's record of an evaluation's batch at the provider, whose label is the evaluation.

    `location` is where it runs, None in records of older versions; `output_uri` is the folder of
    its answers; `collected_at` is set once those are stored and what they cost is settled.
    """

    __tablename__ = "batch_run"

    evaluation_id: Mapped[str] = mapped_column(
        Id, ForeignKey("evaluation.id", ondelete="CASCADE"), primary_key=True
    )
    input_key: Mapped[str] = mapped_column(String(200))
    requests: Mapped[int] = mapped_column(Integer)
    location: Mapped[str | None] = mapped_column(String(50))
    output_uri: Mapped[str | None] = mapped_column(String(500))
    error: Mapped[str] = mapped_column(String(500), default="")
    collected_at: Mapped[datetime | None]

    @property
    def is_unread(self) -> bool:
        return self.provider_state == "JOB_STATE_FAILED" and not self.output_uri

    def record(self, *, result: Mapping[str, Any], error: Mapping[str, Any] | None) -> None:
        self.output_uri = result.get("output_uri")
        self.error = str((error or {}).get("message", ""))[:500]
