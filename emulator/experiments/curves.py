"""Training curves: the record of a tuning's epochs as the series Google names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Epochs = Sequence[Mapping[str, Any]]

# Ids are lasting: a client may keep one. The names are those of Google's tuning page.
SERIES: Mapping[str, tuple[str, str]] = {
    "1": ("/train_total_loss", "train_loss"),
    "2": ("/train_fraction_of_correct_next_step_preds", "train_accuracy"),
    "3": ("/train_num_predictions", "predictions"),
    "4": ("/eval_total_loss", "eval_loss"),
    "5": ("/eval_fraction_of_correct_next_step_preds", "eval_accuracy"),
    "6": ("/eval_num_predictions", "eval_predictions"),
}
"""The series by id: the name shown and the figure of an epoch it is made of."""


@dataclass(frozen=True, slots=True)
class Point:
    """The value of a series after so many training steps, at a moment in RFC 3339."""

    step: int
    moment: str
    value: float

    def resource(self) -> dict[str, Any]:
        return {
            "step": str(self.step),
            "wallTime": self.moment,
            "scalar": {"value": self.value},
        }


def series_of(epochs: Epochs) -> list[str]:
    """Return the ids of the series the epochs have values for: `/eval_*` only when evaluated."""
    return [
        series_id
        for series_id, (_, figure) in SERIES.items()
        if any(epoch.get(figure) is not None for epoch in epochs)
    ]


def points_of(epochs: Epochs, series_id: str, *, started: str) -> list[Point]:
    """Return a point an epoch, at the moment it was done; the step counts the steps so far."""
    figure = SERIES[series_id][1]
    points, step = [], 0
    for epoch in epochs:
        step += int(epoch["predictions"])
        if epoch.get(figure) is not None:
            moment = epoch.get("moment", started)
            points.append(Point(step=step, moment=moment, value=float(epoch[figure])))
    return points
