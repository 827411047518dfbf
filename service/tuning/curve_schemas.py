"""What crosses HTTP about training curves."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.jobs.lifecycle import State
from service.jobs.schemas import output_state
from service.tuning.models import TunedModel
from service.tuning.ports import MetricPoint, MetricSeries


class Inconclusive(StrEnum):
    """Why loss curves without a finding do not show that a training has not overfitted."""

    NO_VALIDATION = "no_validation"
    TOO_FEW_POINTS = "too_few_points"


class OverfittingFinding(BaseModel):
    """The validation loss has turned up and the gap to the training loss grows.

    Losses are means over three neighbouring points.
    """

    best_step: int = Field(description="where the validation loss was lowest")
    best_loss: float = Field(description="validation loss there")
    last_step: int = Field(description="the latest step")
    last_loss: float = Field(description="validation loss there")
    rise: float = Field(description="of the validation loss, as a part of its lowest")
    best_gap: float = Field(description="validation loss above training loss at the lowest")
    last_gap: float = Field(description="validation loss above training loss at the latest")


class TrainingPoint(BaseModel):
    """The value of a series after so many training steps."""

    step: int = Field(description="training steps so far")
    value: float = Field(description="of the series at that step")


class TrainingCurves(BaseModel):
    """How the training of a model went, or goes: its series by name, each in order of steps."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "training_curves",
                    "model": "model_01jd5v3q0e8k3v7m2x9y4z6abc",
                    "synthetic": False,
                    "complete": True,
                    "overfitting_inconclusive": "too_few_points",
                    "series": {
                        "train_loss": [{"step": 50, "value": 1.31}, {"step": 100, "value": 0.62}],
                        "validation_loss": [{"step": 50, "value": 1.4}],
                    },
                }
            ]
        }
    )

    object: Literal["training_curves"] = "training_curves"
    model: str = Field(description="id of the model")
    synthetic: bool = Field(description="made by the emulator, not by Gemini")
    complete: bool = Field(description="the training has ended: no more points will come")
    overfitting_inconclusive: Inconclusive | None = Field(
        default=None,
        description="why overfitting cannot be judged: below eight validation losses, or without "
        "any; null: it was looked for, and the model says what was found",
    )
    series: dict[MetricSeries, list[TrainingPoint]] = Field(
        description="losses in nats, accuracies of next tokens; a series without points is absent"
    )


def present_curves(
    row: TunedModel,
    points: Sequence[MetricPoint],
    *,
    job: State | None,
    inconclusive: Inconclusive | None = None,
) -> TrainingCurves:
    """Return the training curves of a model as HTTP shows them; `inconclusive` says why they do
    not show overfitting.
    """
    series: dict[MetricSeries, list[TrainingPoint]] = {}
    for point in points:
        series.setdefault(point.series, []).append(
            TrainingPoint(step=point.step, value=point.value)
        )
    return TrainingCurves(
        model=row.id,
        synthetic=row.synthetic,
        complete=output_state(job, ready=row.ready_at is not None) != "creating",
        overfitting_inconclusive=inconclusive,
        series=series,
    )
