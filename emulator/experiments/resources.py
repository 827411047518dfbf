"""The names and resources of an experiment: contexts, TensorBoard, run and time series."""

from typing import Any

from emulator.experiments.curves import SERIES
from emulator.tuning.records import Tuning

PREFIX = "tuning-experiment-"
RUN = "run"


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
