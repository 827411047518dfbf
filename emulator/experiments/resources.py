"""The names and resources of an experiment: contexts, TensorBoard, run and time series, whose
points are the record of a tuning's epochs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.tuning.records import Tuning

PREFIX = "tuning-experiment-"
RUN = "run"
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


def experiment_id(tuning: Tuning) -> str:
    return f"{PREFIX}{tuning.tuning_id}"


def experiment_name(tuning: Tuning) -> str:
    return f"{tuning.parent}/metadataStores/default/contexts/{experiment_id(tuning)}"


def tensorboard_name(tuning: Tuning) -> str:
    """Return the TensorBoard's name; each tuning has its own, numbered like the tuning."""
    return f"{tuning.parent}/tensorboards/{tuning.tuning_id}"


def run_name(tuning: Tuning) -> str:
    return f"{tensorboard_name(tuning)}/experiments/{experiment_id(tuning)}/runs/{RUN}"


def series_name(tuning: Tuning, series_id: str) -> str:
    return f"{run_name(tuning)}/timeSeries/{series_id}"


def describe_experiment(tuning: Tuning) -> dict[str, Any]:
    """Return the context that `TuningJob.experiment` names."""
    return _described(tuning, name=experiment_name(tuning)) | {
        "displayName": experiment_id(tuning),
        "schemaTitle": "system.Experiment",
        "schemaVersion": "0.0.1",
        "metadata": {"backing_tensorboard_resource": tensorboard_name(tuning)},
    }


def describe_experiment_run(tuning: Tuning) -> dict[str, Any]:
    """Return the run's context; the run's id is its id without the experiment's and a dash."""
    return _described(tuning, name=f"{experiment_name(tuning)}-{RUN}") | {
        "displayName": RUN,
        "parentContexts": [experiment_name(tuning)],
        "schemaTitle": "system.ExperimentRun",
        "schemaVersion": "0.0.1",
        "metadata": {},
    }


def describe_tensorboard(tuning: Tuning) -> dict[str, Any]:
    return _described(tuning, name=tensorboard_name(tuning)) | {
        "displayName": experiment_id(tuning),
        "runCount": 1,
    }


def describe_tensorboard_experiment(tuning: Tuning) -> dict[str, Any]:
    name = f"{tensorboard_name(tuning)}/experiments/{experiment_id(tuning)}"
    return _described(tuning, name=name) | {"displayName": experiment_id(tuning)}


def describe_tensorboard_run(tuning: Tuning) -> dict[str, Any]:
    return _described(tuning, name=run_name(tuning)) | {"displayName": RUN}


def describe_series(tuning: Tuning, series_id: str) -> dict[str, Any]:
    return _described(tuning, name=series_name(tuning, series_id)) | {
        "displayName": SERIES[series_id][0],
        "valueType": "SCALAR",
        "pluginName": "scalars",
    }


def _described(tuning: Tuning, *, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "createTime": tuning.started,
        "updateTime": tuning.updated,
        "etag": str(tuning.serial),
    }


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
