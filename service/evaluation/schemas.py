"""What crosses HTTP about evaluations."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.catalogue.entry import BASE_MODEL_PATTERN
from service.evaluation.generation_schemas import GenerationConfig, PromptSearch
from service.evaluation.judges.reports import JudgeReport
from service.evaluation.metrics.registry import JUDGED
from service.evaluation.models import Evaluation as EvaluationRow
from service.evaluation.models import ScoreRow
from service.evaluation.scoring.confidence import ConfidenceReport
from service.evaluation.scoring.findings import AnswerFinding
from service.evaluation.setup_schemas import (
    BEST_CHECKPOINT,
    CheckpointScore,
    EvaluationSetup,
    PromptSearchResult,
)
from service.evaluation.vertex_metrics import VERTEX, VertexMetric
from service.ids import MODEL_OR_ALIAS_PATTERN, Prefix, id_pattern
from service.jobs.lifecycle import State
from service.jobs.schemas import OutputState, output_state


class VariantKind(StrEnum):
    """How the model is used: asked as it is, shown examples, asked to reason first, or tuned."""

    ZERO_SHOT = "zero_shot"
    FEW_SHOT = "few_shot"
    CHAIN_OF_THOUGHT = "chain_of_thought"
    OPTIMISED_PROMPT = "optimised_prompt"
    TUNED = "tuned"
    TUNED_FEW_SHOT = "tuned_few_shot"

    @property
    def is_tuned(self) -> bool:
        return self in {VariantKind.TUNED, VariantKind.TUNED_FEW_SHOT}

    @property
    def reasons(self) -> bool:
        """Whether the prompt asks for reasoning before a marked answer."""
        return self is VariantKind.CHAIN_OF_THOUGHT


class EvaluateSpec(GenerationConfig):
    """Run one variant on a split of a dataset and score its answers."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "dataset": "ds_01jd5v3q0e8k3v7m2x9y4z6abc",
                    "variant": "few_shot",
                    "shots": 3,
                    "base_model": "gemini-3.1-flash-lite",
                }
            ]
        },
    )

    dataset: str = Field(pattern=id_pattern(Prefix.DATASET))
    variant: VariantKind
    model: str | None = Field(
        default=None,
        pattern=MODEL_OR_ALIAS_PATTERN,
        description="id of a tuned model, or an alias such as `pii@best`: what it stands for now",
    )
    base_model: str | None = Field(
        default=None,
        pattern=BASE_MODEL_PATTERN,
        description="name of a base model; the installation's default without one",
        examples=["gemini-3.1-flash-lite"],
    )
    shots: int = Field(default=0, ge=0, le=100)
    instruction: str | None = Field(
        default=None, max_length=20_000, description="in place of the dataset's own"
    )
    checkpoint: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z_-]{1,40}$",
        description="of the tuned model, by its id; `best`: the earliest that scores within one "
        "standard error of the best on the validation rows; null: the last",
    )
    epoch: int | None = Field(
        default=None, ge=1, description="the checkpoint after so many epochs, instead of its id"
    )
    search: PromptSearch | None = Field(
        default=None, description="of `optimised_prompt`: what is tried on validation rows first"
    )
    split: Literal["test", "validation", "train"] = "test"
    first_row: int = Field(default=0, ge=0, description="of the split; of `train` the train size")
    last_row: int | None = Field(default=None, ge=1, description="the row before which to stop")
    metrics: tuple[str, ...] = Field(default=(), description="empty: the dataset's own")
    vertex_metrics: tuple[VertexMetric, ...] = Field(
        default=(),
        max_length=len(VertexMetric),
        description="to be computed by the evaluation service of Vertex AI, too: scores named "
        "`vertex_…`, beside ours; answers and references are sent to it",
    )

    @model_validator(mode="after")
    def _rows_are_unseen(self) -> Self:
        if self.split == "train" and (self.variant is not VariantKind.TUNED or not self.first_row):
            message = (
                "`train` goes with the variant `tuned`, from a `first_row` it was not tuned on"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _variant_has_what_it_needs(self) -> Self:
        if self.variant.is_tuned != (self.model is not None):
            message = (
                "`model` names the tuned model: give it for the variants `tuned` and "
                "`tuned_few_shot`, and only there"
            )
            raise ValueError(message)
        shown = {VariantKind.FEW_SHOT, VariantKind.TUNED_FEW_SHOT}
        searches = self.variant is VariantKind.OPTIMISED_PROMPT
        if searches == (self.search is None) or (searches and self.split != "test"):
            message = "`search` goes with the variant `optimised_prompt`, on test rows, and only so"
            raise ValueError(message)
        is_free = self.variant.reasons or searches
        if not is_free and (self.variant in shown) != (self.shots > 0):
            message = (
                "`shots` must be at least 1 for the variants `few_shot` and `tuned_few_shot`, 0 "
                "for `zero_shot` and `tuned`; `chain_of_thought` goes with any number"
            )
            raise ValueError(message)
        asked = [each for each in (self.checkpoint, self.epoch) if each is not None]
        if len(asked) > 1 or (asked and self.model is None):
            message = "give `checkpoint` or `epoch`, and only with `model`"
            raise ValueError(message)
        if self.checkpoint == BEST_CHECKPOINT and self.split != "test":
            message = "`best` is chosen by the validation rows: ask the test rows with it"
            raise ValueError(message)
        if self.variant.reasons and self.controlled:
            message = "a response schema leaves no room to reason: `controlled` goes with others"
            raise ValueError(message)
        if self.variant.reasons and self.logprobs:
            message = "`logprobs` would be those of the reasoning, too: leave them out here"
            raise ValueError(message)
        return self


class AskSpec(BaseModel):
    """A shard of an evaluation: the rows from position `first` to before `last` of its split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evaluate: EvaluateSpec
    first: int = Field(ge=0)
    last: int = Field(ge=1)


class Score(BaseModel):
    """A score with its 95 % interval; failures lower the coverage, not the value."""

    metric: str
    source: Literal["metric", "vertex", "judge"] = Field(
        default="metric",
        description="who scored: a metric of ours, Vertex AI's evaluation service, or a model that "
        "judges, whose scores compare with those of the same judge and rubric alone",
    )
    value: float | None
    low: float | None
    high: float | None
    n: int = Field(description="rows that were answered and scored")
    rows: int = Field(description="rows that were asked")
    coverage: float = Field(ge=0, le=1)
    worst: float | None = Field(
        description="value if every missing row earned the least; where an answer may say any "
        "number of wrong things, none is taken to be longer than the longest that there is"
    )
    best: float | None = Field(description="value if every missing row earned the most")
    leaky: bool = Field(
        description="held-out rows of the dataset are known to leak into training, as was allowed"
    )
    method: str
    groups: int | None = Field(
        default=None, description="groups that the scored rows come from; null in older scores"
    )
    signature: str | None = Field(
        description="all that the value depends on but the texts; others do not compare"
    )
    caution: str | None = Field(description="for which rows the metric is unfit, and what fits")
    error: str | None = Field(description="why there is no value")


class Evaluation(BaseModel):
    """Scores of one variant: read-only, made by an `evaluate` job."""

    object: Literal["evaluation"] = "evaluation"
    id: str
    job: str
    state: OutputState
    dataset: str
    variant: VariantKind
    model: str | None
    base_model: str
    shots: int
    samples: int = Field(description="answers a row, of which the majority counts")
    setup: EvaluationSetup | None = Field(
        description="null until the answers are complete, and for evaluations of earlier versions"
    )
    checkpoint: str | None = Field(
        default=None, description="of the tuned model, that was asked for or chosen; null: the last"
    )
    prompt_search: PromptSearchResult | None = Field(
        description="the prompt of `optimised_prompt`, and all that were tried"
    )
    checkpoints: list[CheckpointScore] = Field(
        default=[], description="scores on the validation rows that the checkpoint was chosen by"
    )
    split: str
    lane: str | None = Field(description="how the rows were asked; null until that is decided")
    lane_reason: str | None
    rows: int | None
    outcomes: dict[str, int] = Field(description="rows by outcome")
    findings: list[AnswerFinding] = Field(description="what is odd about the answers")
    metrics: list[Score]
    confidence: list[ConfidenceReport] = Field(
        description="what the answers' confidence is worth, by source; empty where none was asked"
    )
    judge: JudgeReport | None = Field(
        description="the judge by a rubric, and what its verdicts are worth; null without one"
    )
    usage: dict[str, int]
    synthetic: bool = Field(description="answered by the emulator, not by Gemini")
    unlisted_model: bool = Field(description="unknown or retired, used as the job allowed")
    created_at: datetime
    ready_at: datetime | None
    links: dict[str, str]


def present_evaluation(
    row: EvaluationRow, scores: Sequence[ScoreRow], *, job: State | None
) -> Evaluation:
    """Return a row with its scores as HTTP shows it."""
    return Evaluation(
        id=row.id,
        job=row.job_id,
        state=output_state(job, ready=row.ready_at is not None),
        dataset=row.dataset_id,
        variant=VariantKind(row.kind),
        model=row.model_id,
        base_model=row.base_model,
        shots=row.shots,
        samples=row.samples,
        setup=EvaluationSetup.model_validate(row.setup) if row.setup else None,
        checkpoint=row.checkpoint,
        prompt_search=PromptSearchResult.model_validate(row.prompt_search)
        if row.prompt_search
        else None,
        checkpoints=[CheckpointScore.model_validate(each) for each in row.checkpoints or ()],
        split=row.split,
        lane=row.lane,
        lane_reason=row.lane_reason,
        rows=row.rows,
        outcomes=row.outcomes,
        findings=[AnswerFinding.model_validate(each) for each in row.findings or ()],
        metrics=[present_score(score) for score in scores],
        confidence=[ConfidenceReport.model_validate(each) for each in row.confidence or ()],
        judge=JudgeReport.model_validate(row.judge) if row.judge else None,
        usage=row.usage,
        synthetic=row.synthetic,
        unlisted_model=row.unlisted_model,
        created_at=row.created_at,
        ready_at=row.ready_at,
        links={
            "self": f"/v1/evaluations/{row.id}",
            "rows": f"/v1/evaluations/{row.id}/rows",
            "content": f"/v1/evaluations/{row.id}/content",
            "schema": f"/v1/evaluations/{row.id}/schema",
            "manifest": f"/v1/evaluations/{row.id}/manifest",
            "confusion": f"/v1/evaluations/{row.id}/confusion",
        },
    )


def present_score(row: ScoreRow) -> Score:
    names: list[Any] = [name for name in Score.model_fields if name != "source"]
    return Score(source=_source(row.metric), **{name: getattr(row, name) for name in names})


def _source(metric: str) -> Literal["metric", "vertex", "judge"]:
    if metric in JUDGED:
        return "judge"
    return "vertex" if metric.startswith(VERTEX) else "metric"
