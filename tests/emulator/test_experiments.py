"""Training curves, read as Google's clients read them: contexts first, then the TensorBoard."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound

from emulator.experiments.resources import points_of, series_of
from tests.emulator.clients import rest_client
from tests.emulator.examples import create, finish, labelled, order, upload
from tests.support.emulator import EmulatorProcess

TRAINING = {
    "/train_total_loss",
    "/train_fraction_of_correct_next_step_preds",
    "/train_num_predictions",
}
EPOCHS = 3


@pytest.fixture(scope="module")
def v1() -> Any:
    from google.cloud import aiplatform_v1

    return aiplatform_v1


@pytest.fixture(scope="module")
def metadata(emulator: EmulatorProcess, v1: Any) -> Iterator[Any]:
    client = rest_client(emulator, v1.MetadataServiceClient)
    yield client
    client.transport.close()


@pytest.fixture(scope="module")
def tensorboard(emulator: EmulatorProcess, v1: Any) -> Iterator[Any]:
    client = rest_client(emulator, v1.TensorboardServiceClient)
    yield client
    client.transport.close()


def tuned(emulator: EmulatorProcess, *, validated: bool) -> dict[str, Any]:
    body = order(
        upload(emulator, labelled(good="GOOD", bad="BAD"), name="curve.jsonl"), epochs=EPOCHS
    )
    if validated:
        uri = upload(emulator, labelled(good="GOOD", bad="BAD", count=10), name="unseen.jsonl")
        body["supervisedTuningSpec"]["validationDatasetUri"] = uri
    return finish(emulator, create(emulator, body)["name"])


@pytest.fixture(scope="module")
def plain(emulator: EmulatorProcess) -> dict[str, Any]:
    return tuned(emulator, validated=False)


@pytest.fixture(scope="module")
def validated(emulator: EmulatorProcess) -> dict[str, Any]:
    return tuned(emulator, validated=True)


def read_curves(metadata: Any, tensorboard: Any, v1: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Follow the chain of the documentation and return the values of each series by its name."""
    experiment = metadata.get_context(name=job["experiment"], timeout=300)
    assert experiment.schema_title == "system.Experiment"
    board = experiment.metadata["backing_tensorboard_resource"]
    expression = f'schema_title="system.ExperimentRun" AND parent_contexts:"{experiment.name}"'
    request = v1.ListContextsRequest(
        parent=experiment.name.rpartition("/contexts/")[0], filter=expression
    )
    (run,) = metadata.list_contexts(request=request, timeout=300)
    experiment_id = experiment.name.rpartition("/")[2]
    run_id = run.name.rpartition("/")[2].removeprefix(f"{experiment_id}-")
    parent = f"{board}/experiments/{experiment_id}/runs/{run_id}"
    series = list(tensorboard.list_tensorboard_time_series(parent=parent, timeout=300))
    read = v1.BatchReadTensorboardTimeSeriesDataRequest(
        tensorboard=board, time_series=[each.name for each in series]
    )
    data = tensorboard.batch_read_tensorboard_time_series_data(request=read, timeout=300)
    names = {each.name.rpartition("/")[2]: each.display_name for each in series}
    return {names[each.tensorboard_time_series_id]: each.values for each in data.time_series_data}


def test_the_curves_are_the_history_of_the_tuning(
    emulator: EmulatorProcess, metadata: Any, tensorboard: Any, v1: Any, plain: dict[str, Any]
) -> None:
    curves = read_curves(metadata, tensorboard, v1, plain)
    assert curves.keys() == TRAINING
    inside = emulator.request("GET", f"/_emulator/tunings/{plain['name'].rpartition('/')[2]}")
    history = inside["history"]
    losses = [point.scalar.value for point in curves["/train_total_loss"]]
    assert losses == [record["train_loss"] for record in history]
    assert losses[0] > losses[-1]
    accuracies = curves["/train_fraction_of_correct_next_step_preds"]
    assert [point.scalar.value for point in accuracies] == [
        record["train_accuracy"] for record in history
    ]
    steps = [point.step for point in curves["/train_num_predictions"]]
    assert len(steps) == EPOCHS
    assert steps == sorted(set(steps))
    assert steps[-1] == sum(record["predictions"] for record in history)


def test_a_validation_file_adds_the_curves_of_evaluation(
    metadata: Any, tensorboard: Any, v1: Any, validated: dict[str, Any]
) -> None:
    curves = read_curves(metadata, tensorboard, v1, validated)
    assert curves.keys() == TRAINING | {
        "/eval_total_loss",
        "/eval_fraction_of_correct_next_step_preds",
        "/eval_num_predictions",
    }
    assert [point.scalar.value for point in curves["/eval_num_predictions"]] == [10] * EPOCHS
    assert len(curves["/eval_total_loss"]) == EPOCHS
    fractions = [
        point.scalar.value for point in curves["/eval_fraction_of_correct_next_step_preds"]
    ]
    assert all(0 <= fraction <= 1 for fraction in fractions)


def test_wall_times_lie_within_the_training(
    metadata: Any, tensorboard: Any, v1: Any, plain: dict[str, Any]
) -> None:
    points = read_curves(metadata, tensorboard, v1, plain)["/train_total_loss"]
    moments = [point.wall_time.isoformat().replace("+00:00", "Z") for point in points]
    assert moments == sorted(moments)
    assert plain["startTime"] <= moments[0]
    assert moments[-1] <= plain["endTime"]


def test_each_step_of_the_chain_can_be_asked_for(
    metadata: Any, tensorboard: Any, v1: Any, plain: dict[str, Any]
) -> None:
    experiment = metadata.get_context(name=plain["experiment"], timeout=300)
    board = tensorboard.get_tensorboard(
        name=experiment.metadata["backing_tensorboard_resource"], timeout=300
    )
    experiment_id = experiment.name.rpartition("/")[2]
    found = tensorboard.get_tensorboard_experiment(
        name=f"{board.name}/experiments/{experiment_id}", timeout=300
    )
    (run,) = tensorboard.list_tensorboard_runs(parent=found.name, timeout=300)
    context = metadata.get_context(
        name=f"{experiment.name}-{run.name.rpartition('/')[2]}", timeout=300
    )
    assert context.parent_contexts == [experiment.name]
    request = v1.ListTensorboardTimeSeriesRequest(parent=run.name, page_size=1)
    series = list(tensorboard.list_tensorboard_time_series(request=request, timeout=300))
    assert len(series) == 3
    one = tensorboard.get_tensorboard_time_series(name=series[0].name, timeout=300)
    assert one == series[0]
    data = tensorboard.read_tensorboard_time_series_data(
        tensorboard_time_series=one.name, timeout=300
    )
    assert len(data.time_series_data.values) == EPOCHS


def test_the_filter_of_googles_own_helper_is_understood(metadata: Any, v1: Any) -> None:
    parent = "projects/lab/locations/us-central1/metadataStores/default"
    titles = '(schema_title="system.Experiment" OR schema_title="system.ExperimentRun")'
    request = v1.ListContextsRequest(parent=parent, filter=titles, page_size=1)
    assert len(list(metadata.list_contexts(request=request, timeout=300))) >= 2
    for expression in ("surely not", 'colour="red"', 'schema_title="a" AND'):
        wrong = v1.ListContextsRequest(parent=parent, filter=expression)
        with pytest.raises(BadRequest, match="filter"):
            metadata.list_contexts(request=wrong, timeout=300)


def test_what_is_not_there_is_not_found(
    metadata: Any, tensorboard: Any, plain: dict[str, Any]
) -> None:
    with pytest.raises(NotFound):
        metadata.get_context(name=f"{plain['experiment']}-no-run", timeout=300)
    elsewhere = plain["experiment"].replace("us-central1", "europe-west4")
    with pytest.raises(NotFound):
        metadata.get_context(name=elsewhere, timeout=300)
    with pytest.raises(NotFound):
        tensorboard.get_tensorboard(
            name="projects/lab/locations/us-central1/tensorboards/1", timeout=300
        )


def test_an_epoch_without_evaluation_leaves_no_hole_in_the_other_series() -> None:
    started, done = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:10.000000Z"
    epochs: list[dict[str, Any]] = [
        {"predictions": 4, "train_loss": 2.0, "eval_loss": None},
        {"predictions": 4, "train_loss": 1.0, "eval_loss": 3.0, "moment": done},
    ]
    assert series_of(epochs) == ["1", "3", "4"]
    points = points_of(epochs, "4", started=started)
    assert [(point.step, point.value, point.moment) for point in points] == [(8, 3.0, done)]
    assert points_of([], "1", started=started) == []
