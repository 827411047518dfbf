"""How rows are put to a model: what the specs of evaluations and experiments have in common."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.catalogue.entry import BASE_MODEL_PATTERN
from service.evaluation.lanes import Lane
from service.evaluation.setup_schemas import ShotSelection
from service.ids import Prefix, id_pattern


class Thinking(StrEnum):
    """How much a model thinks by itself: as little as it can, or as much as it sees fit."""

    LEAST = "least"
    DEFAULT = "default"


class VerbalJudge(BaseModel):
    """A model that says in words how likely each answer is right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        default=None,
        pattern=BASE_MODEL_PATTERN,
        description="a base model; without one the base model that answers judges itself",
        examples=["gemini-3.1-flash-lite"],
    )
    repeats: int = Field(
        default=2,
        ge=2,
        le=8,
        description="times that each answer is judged, every second one with the scale turned "
        "round; what it says twice is compared",
    )


class JudgeMode(StrEnum):
    """Whether a judge grades each answer, or says which of two is better."""

    POINTWISE = "pointwise"
    PAIRWISE = "pairwise"


class RubricJudge(BaseModel):
    """A model that judges each answer by a rubric; its scores stand beside the metrics, marked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rubric: str = Field(
        min_length=1, max_length=20_000, description="what makes an answer good, in your words"
    )
    model: str = Field(
        pattern=BASE_MODEL_PATTERN,
        description="the base model that judges",
        examples=["gemini-3.5-flash"],
    )
    mode: JudgeMode = Field(
        default=JudgeMode.POINTWISE,
        description="`pointwise` grades each answer (score `judge_score`), `pairwise` compares it "
        "with another in both orders (score `judge_win_rate`)",
    )
    levels: int = Field(
        default=5, ge=2, le=10, description="grades of `pointwise`, of which 1 is the worst"
    )
    against: str | None = Field(
        default=None,
        pattern=id_pattern(Prefix.EVALUATION),
        description="of `pairwise`: the finished evaluation of the same rows whose answers these "
        "are compared with; without one, the reference",
    )
    shows_reference: bool = Field(
        default=True, description="of `pointwise`: the judge sees the reference, too"
    )
    repeats: int = Field(
        default=2,
        ge=1,
        le=8,
        description="times that each answer is judged, every second one with the order turned "
        "round; of `pairwise` an even number",
    )
    allow_same_family: bool = Field(
        default=False,
        description="let a model judge answers of its own family, whose style it may prefer; "
        "results say so",
    )

    @model_validator(mode="after")
    def _goes_with_mode(self) -> Self:
        is_pairwise = self.mode is JudgeMode.PAIRWISE
        if self.against is not None and not is_pairwise:
            message = "`against` goes with the mode `pairwise`"
            raise ValueError(message)
        if is_pairwise and self.repeats % 2:
            message = "`repeats` of `pairwise` is even, so that both orders are asked as often"
            raise ValueError(message)
        return self


class PromptSearch(BaseModel):
    """What the search for the best prompt tries, and how many calls it may take.

    The dataset's own instruction is always among those tried.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    instructions: tuple[Annotated[str, Field(max_length=20_000)], ...] = Field(
        default=(), max_length=20, description="to try in place of the dataset's own"
    )
    proposals: int = Field(
        default=0, ge=0, le=20, description="instructions that a model writes from training rows"
    )
    proposer: str | None = Field(
        default=None,
        pattern=BASE_MODEL_PATTERN,
        description="the base model that writes them; without one the one that answers",
    )
    shots: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(
        default=(0,), min_length=1, max_length=5, description="numbers of shots to try"
    )
    calls: int = Field(default=1000, ge=2, description="that the search takes at most")


class GenerationConfig(BaseModel):
    """How rows are put to a model: what evaluations and experiments have in common."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    max_output_tokens: int = Field(default=1024, ge=1, le=65536)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    samples: int = Field(
        default=1, ge=1, le=64, description="answers a row, of which the majority counts"
    )
    shot_selection: ShotSelection = Field(
        default=ShotSelection.FIXED,
        description="`random` and `nearest` differ by row; all are from the training split",
    )
    logprobs: bool = Field(
        default=False,
        description="ask for the log-probabilities of answers, for their confidence; not with "
        "`chain_of_thought`",
    )
    verbal: VerbalJudge | None = Field(
        default=None, description="ask a model how likely each answer is right"
    )
    judge: RubricJudge | None = Field(
        default=None, description="have a model judge each answer by a rubric"
    )
    target_precision: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="share of right answers that is promised for those that go out unseen",
    )
    residual_leak: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="of personal data: share of the texts released unseen that may leak any",
    )
    controlled: bool = Field(
        default=False,
        description="hold answers to the labels or the schema of the dataset (response schema)",
    )
    thinking: Thinking = Field(
        default=Thinking.LEAST, description="`default` lets the model decide, and is billed"
    )
    allow_unlisted_model: bool = Field(
        default=False, description="use a base model that is unknown or retired; results say so"
    )
    cache: bool = Field(default=True, description="use answers to the same requests again")
    hedge: bool | None = Field(
        default=None,
        description="send a call that lasts far longer than the others a second time, at most 2 % "
        "of all, which may be paid for twice; null: as the service is set",
    )
    lane: Lane = Field(
        default=Lane.ONLINE, description="`batch` costs less and takes hours; `auto` chooses"
    )
    deadline_hours: float | None = Field(
        default=None, gt=0, description="a batch that takes longer is stopped and asked online"
    )

    @model_validator(mode="after")
    def _samples_may_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            message = "`samples` above 1 needs a `temperature` above 0: at 0 all would be alike"
            raise ValueError(message)
        return self
