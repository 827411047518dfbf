"""What decided the answers of an evaluation, as HTTP shows it: prompts, decoding, checkpoint."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

BEST_CHECKPOINT = "best"  # in place of a checkpoint's id


class ShotSelection(StrEnum):
    """Which training examples are shown: the same for every row, others at random, the nearest."""

    FIXED = "fixed"
    RANDOM = "random"
    NEAREST = "nearest"


class Decoding(BaseModel):
    """How answers were generated; `not_sent` are settings that the model refuses."""

    temperature: float
    max_output_tokens: int
    seed: int
    samples: int
    thinking: dict[str, str | int] = Field(description="what was sent; empty: the model decides")
    not_sent: list[str]
    response_format: dict[str, Any] | None = Field(description="the response schema that was sent")


class EvaluationSetup(BaseModel):
    """All that decided the prompts and the reading of the answers, but for the rows."""

    instruction: str = Field(description="as it was sent, with what asks for reasoning")
    shot_selection: ShotSelection | None = Field(description="null without shots")
    shot_ids: list[str] = Field(
        description="examples of `fixed` shots, in order; others stand in the rows"
    )
    decoding: Decoding
    answers: str = Field(description="what an answer may be: text, label, span or json")
    labels: list[str] = Field(description="the closed set that answers are of, where there is one")
    extraction: str | None = Field(description="where in the text the answer stands")
    normalisation: str = Field(description="the name of what is done to answers before scoring")
    normalisation_steps: list[str]


class TriedPrompt(BaseModel):
    """A prompt's score on validation rows in one round of a search."""

    instruction: str = Field(description="as it was tried")
    shots: int = Field(description="shots before the text")
    round: int = Field(description="of the search, from 0")
    rows: int = Field(description="validation rows that it was asked")
    value: float | None = Field(description="the primary score")
    evaluation: str = Field(description="of these rows")


class PromptSearchResult(BaseModel):
    """The prompt that a search has found, and every one that it tried."""

    instruction: str = Field(description="the best one")
    shots: int = Field(description="shots before the text")
    tried: list[TriedPrompt] = Field(description="by round")


class CheckpointScore(BaseModel):
    """A checkpoint's score on the validation rows."""

    checkpoint: str = Field(description="its id")
    epoch: int | None = Field(description="after which it was kept")
    value: float | None = Field(description="the primary score")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None = Field(description="upper end of its 95 % interval")
    evaluation: str = Field(description="of the validation rows")
