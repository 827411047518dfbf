"""What crosses HTTP about people's verdicts on answers that a judge has judged."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_VERDICTS = 10_000  # of an evaluation

Verdict = Annotated[int, Field(ge=1, le=10)] | Literal["lose", "tie", "win"]


class VerdictIn(BaseModel):
    """What a person says of the answer to one example, without having seen the judge's verdict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example_id: str = Field(max_length=64, description="of the evaluation's rows")
    verdict: Verdict = Field(
        description="of a pointwise judge the grade, 1 is the worst; of a pairwise one whether the "
        "answer is better (`win`), as good (`tie`) or worse (`lose`) than what it is compared with"
    )
    rater: str = Field(
        default="", max_length=64, pattern=r"^[\w.@ -]*$", description="who says so, if several do"
    )


class VerdictsIn(BaseModel):
    """All of them are taken, or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: list[VerdictIn] = Field(min_length=1, max_length=MOST_VERDICTS)


class VerdictOut(BaseModel):
    """A person's verdict beside the judge's."""

    object: Literal["verdict"] = "verdict"
    example_id: str = Field(description="of the evaluation's rows")
    rater: str = Field(description="who says so; empty where no one is named")
    verdict: Verdict = Field(description="the person's")
    judge: float | None = Field(description="the judge's score, 0 to 100; null without one")
    created_at: datetime = Field(description="when it was stored last")


class Verdicts(BaseModel):
    """All verdicts of people on an evaluation's answers, by example and rater."""

    object: Literal["list"] = "list"
    data: list[VerdictOut] = Field(description="by example and rater")
