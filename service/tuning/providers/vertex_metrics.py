"""The training curves of a Vertex AI tuning, from its experiment's TensorBoard.

The chain is the documented one: the job names an experiment (a context of the metadata store),
which names a TensorBoard and has a run (a context below it); the run has time series.
Source: Google's page on supervised tuning, "Tuning and validation metrics".
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import isfinite
from typing import Any

from service.inference.batches.aiplatform import v1
from service.inference.batches.vertex_calls import CALL_SECONDS
from service.tuning.ports import MetricPoint, MetricSeries

OpenClient = Callable[[Any], Any]  # takes the class of a client

_SERIES = {
    "/train_total_loss": MetricSeries.TRAIN_LOSS,
    "/eval_total_loss": MetricSeries.VALIDATION_LOSS,
    "/train_fraction_of_correct_next_step_preds": MetricSeries.TRAIN_ACCURACY,
    "/eval_fraction_of_correct_next_step_preds": MetricSeries.VALIDATION_ACCURACY,
}
_MOST_SERIES = 1_000  # a list may have no end
_LAST_STEP = 2**31 - 1  # of a column
_ONCE: dict[str, Any] = {"timeout": CALL_SECONDS, "retry": None}


def read_metrics(experiment: str, *, open_client: OpenClient) -> Sequence[MetricPoint]:
    """Return every point of an experiment; nothing while it has no run or no series.

    Raises what Google's clients raise.
    """
    metadata = open_client(v1.MetadataServiceClient)
    board, run = _run_of(experiment, metadata)
    if not run:
        return ()
    boards = open_client(v1.TensorboardServiceClient)
    known = {
        each.name: _SERIES[each.display_name]
        for each in islice(boards.list_tensorboard_time_series(parent=run, **_ONCE), _MOST_SERIES)
        if each.display_name in _SERIES
    }
    if not known:
        return ()
    request = v1.BatchReadTensorboardTimeSeriesDataRequest(
        tensorboard=board, time_series=list(known)
    )
    data = boards.batch_read_tensorboard_time_series_data(request=request, **_ONCE)
    by_id = {name.rpartition("/")[2]: series for name, series in known.items()}
    return tuple(_points(data.time_series_data, by_id))


def _run_of(experiment: str, metadata: Any) -> tuple[str, str]:
    """Return the TensorBoard of an experiment and the name of its run there; empty without one."""
    context = metadata.get_context(name=experiment, **_ONCE)
    board = str(context.metadata.get("backing_tensorboard_resource") or "")
    filtered = v1.ListContextsRequest(
        parent=experiment.rpartition("/contexts/")[0],
        filter=f'schema_title="system.ExperimentRun" AND parent_contexts:"{context.name}"',
    )
    run = next(iter(metadata.list_contexts(request=filtered, **_ONCE)), None)
    if run is None or not board:
        return board, ""
    experiment_id = experiment.rpartition("/")[2]
    run_id = run.name.rpartition("/")[2].removeprefix(f"{experiment_id}-")
    return board, f"{board}/experiments/{experiment_id}/runs/{run_id}"


def _points(data: Sequence[Any], series_of: dict[str, MetricSeries]) -> Iterator[MetricPoint]:
    for each in data:
        series = series_of.get(each.tensorboard_time_series_id)
        for point in each.values if series else ():
            if series and isfinite(point.scalar.value) and 0 <= point.step <= _LAST_STEP:
                yield MetricPoint(series, int(point.step), point.scalar.value)
