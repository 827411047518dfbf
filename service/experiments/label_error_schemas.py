"""Training rows whose label is perhaps wrong: how they are asked for, and as HTTP shows them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LabelErrorsSpec(BaseModel):
    """Have the models of smaller train sizes predict training rows that they have not seen.

    With `logprobs` of the experiment a vote counts by how sure the model is, which finds more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = Field(ge=1, le=100_000, description="so many of the last rows of the largest size")


class SuspectRow(BaseModel):
    """A training row whose label the models' votes speak against."""

    row: int = Field(description="number of the source row, from 1")
    example_id: str
    label: str = Field(description="the label that it has: what training teaches")
    suggested: str = Field(description="what most of the models answer")
    votes: int = Field(description="models that answer so")
    models: int = Field(description="models that had not seen the row and were asked")
    evidence: float = Field(
        description="log likelihood of the votes under the suggested label less that under its "
        "own, with the log odds of the answers where the models return them; where answers are "
        "labels, also how many of the most similar training rows have the one and the other"
    )


class LabelErrors(BaseModel):
    """The rows that are listed, strongest evidence first; `checked` were looked at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "label_errors",
                    "experiment": "exp_01jd5v3q0e8k3v7m2x9y4z6abc",
                    "checked": 600,
                    "models": ["tuned@50", "tuned@200"],
                    "data": [
                        {
                            "row": 731,
                            "example_id": "0f5e1c2b3a4d5e6f",
                            "label": "negative",
                            "suggested": "positive",
                            "votes": 2,
                            "models": 2,
                            "evidence": 3.1,
                        }
                    ],
                }
            ]
        }
    )

    object: Literal["label_errors"] = "label_errors"
    experiment: str = Field(description="the experiment")
    checked: int = Field(description="training rows that at least one model was asked")
    models: list[str] = Field(description="variants that were asked")
    data: list[SuspectRow]
