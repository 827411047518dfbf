"""Training curves: read from the provider as it shows them, kept once, gone with their model."""

from service.database import Sessions
from service.jobs.lifecycle import State
from service.tuning.curve_schemas import present_curves
from service.tuning.curves.records import record_metrics, training_curves
from service.tuning.ports import MetricPoint, MetricSeries
from service.tuning.removal import remove_model
from tests.service.tuning.conftest import Tuning

POINTS = [
    MetricPoint(MetricSeries.TRAIN_LOSS, 20, 0.5),
    MetricPoint(MetricSeries.TRAIN_LOSS, 10, 0.9),
    MetricPoint(MetricSeries.VALIDATION_LOSS, 10, 1.1),
]


def test_the_provider_shows_the_curves_of_a_tuning_by_our_names(tuning: Tuning) -> None:
    tuning.step()
    tuning.poll_until_ended()
    provider, name = tuning.providers.find("vertex"), tuning.row().resource_name or ""
    inside = tuning.emulator.request("GET", f"/_emulator/tunings/{name.rpartition('/')[2]}")
    points = provider.training_metrics(name)
    reported = {
        series: [point.value for point in points if point.series is series]
        for series in MetricSeries
    }
    figures = ("train_loss", "eval_loss", "train_accuracy", "eval_accuracy")
    assert reported == {
        series: [each[figure] for each in inside["history"] if each[figure] is not None]
        for series, figure in zip(MetricSeries, figures, strict=True)
    }
    assert reported[MetricSeries.TRAIN_LOSS]
    last = max(point.step for point in points)
    assert provider.training_metrics(name, after_step=last) == []
    assert {point.step for point in provider.training_metrics(name, after_step=last - 1)} == {last}


def test_an_ended_tuning_tells_all_its_epochs(tuning: Tuning) -> None:
    tuning.step()
    tuning.poll_until_ended()
    progress = tuning.providers.find("vertex").poll(tuning.row().resource_name or "").progress
    assert progress is not None
    assert progress.epochs_done == progress.epochs_total
    assert progress.epochs_done
    assert progress.steps_done == progress.steps_total


def test_points_are_kept_once_and_the_latest_value_counts(tuning: Tuning) -> None:
    run = tuning.run
    newer = MetricPoint(MetricSeries.TRAIN_LOSS, 10, 0.8)
    for points in (POINTS, POINTS, [newer], []):
        with tuning.sessions.transaction() as session:
            record_metrics(session, run.id, points)
    model, kept = training_curves(
        run.outputs["model"], project_id=run.project_id, sessions=tuning.sessions
    )
    assert kept == [newer, POINTS[0], POINTS[2]]
    shown = present_curves(model, kept, job=State.RUNNING)
    assert not shown.complete
    assert [point.step for point in shown.series[MetricSeries.TRAIN_LOSS]] == [10, 20]


def test_the_curves_go_with_the_model(tuning: Tuning, sessions: Sessions) -> None:
    run = tuning.run
    with sessions.transaction() as session:
        record_metrics(session, run.id, POINTS)
        remove_model(session, run.outputs["model"], project_id=run.project_id)
    with sessions.reading() as session:
        assert session.connection().exec_driver_sql("SELECT * FROM training_metric").all() == []
