"""A tuning is seen while it runs; many are polled at once, and a silent place holds up no other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from service.clock import utc_now
from service.database import Sessions
from service.errors import ProviderFailed
from service.jobs.models import ProviderCircuit
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.provider_circuits import FAILURES
from service.jobs.paid_operations.sweep import poll_operations
from service.registry import Registry
from service.tuning.inputs.inputs import read_inputs, request_of
from service.tuning.kinds import POLL
from service.tuning.models import TunedModel, TuningRun
from service.tuning.polls import polled_tunings
from service.tuning.ports import ProviderTuning, TuningRequest
from service.tuning.providers.vertex import VertexTuning, open_vertex
from service.tuning.queries import list_models
from service.tuning.removal import remove_model
from service.tuning.schemas import TuneSpec
from tests.service.tuning.conftest import PROJECT, Tuning, store
from tests.support.eventually import eventually
from tests.support.runs import MemoryRun, reserve_run

EPOCHS, SECONDS = 3, 1000.0
DEAD = "http://127.0.0.1:9"


@contextmanager
def slow(tuning: Tuning) -> Iterator[None]:
    """Let tunings take long, by the emulator's own clock."""
    tuning.emulator.configure(tuning_seconds=SECONDS)
    try:
        yield
    finally:
        tuning.emulator.configure(tuning_seconds=0.1)


def poll_until(tuning: Tuning, phase: str, *, epochs: int) -> None:
    def is_there() -> bool:
        tuning.poll()
        row = tuning.row()
        return row.phase == phase and (row.progress or {}).get("done") == epochs

    eventually(is_there, what=f"it is not {phase} after {epochs} epochs")


def test_a_tuning_shows_its_phase_its_epochs_and_its_curves_while_it_runs(tuning: Tuning) -> None:
    with slow(tuning):
        tuning.step()
        poll_until(tuning, "training", epochs=0)
        shown = tuning.job().progress
        assert (shown["stage"], shown["total"], shown["eta"]) == ("training", EPOCHS, None)

        tuning.emulator.request(
            "POST", "/_emulator/clock", {"advance_seconds": 0.9 * SECONDS / EPOCHS + 1}
        )
        poll_until(tuning, "training", epochs=1)

        shown = tuning.job().progress
        assert (shown["done"], shown["unit"]) == (1, "epochs")
        assert shown["eta"] is not None
        assert tuning.read_metrics() == 1
        assert tuning.read_metrics() == 0  # at growing intervals, not at every poll
        assert len(curve(tuning)) == 1
        tuning.emulator.request("POST", "/_emulator/clock", {"advance_seconds": SECONDS})
        tuning.poll_until_ended()
    tuning.read_metrics()
    assert len(curve(tuning)) == EPOCHS
    phases = [each["phase"] for each in tuning.events("job.provider_state")]
    assert phases[-1] == "ended"
    assert "training" in phases
    assert len(phases) == len(set(phases))
    counts = [each["progress"]["done"] for each in tuning.events("job.progress")]
    assert counts == sorted(counts)


def curve(tuning: Tuning) -> list[object]:
    with tuning.sessions.reading() as session:
        query = "SELECT value FROM training_metric WHERE series = 'train_loss'"
        return list(session.connection().exec_driver_sql(query))


def test_models_are_found_by_the_state_of_their_tuning(tuning: Tuning) -> None:
    def found(**filters: Any) -> list[str]:
        shown = list_models(
            tuning.run.project_id, after=None, limit=9, sessions=tuning.sessions, **filters
        )
        return [model.id for model, _ in shown]

    model = tuning.run.outputs["model"]
    with slow(tuning):
        tuning.step()
        poll_until(tuning, "training", epochs=0)
        assert found(states=["creating"], provider_state="JOB_STATE_RUNNING") == [model]
        assert found(states=["ready", "failed"]) == []
        assert found(provider_state="JOB_STATE_FAILED") == []
        tuning.emulator.request("POST", "/_emulator/clock", {"advance_seconds": SECONDS})
        tuning.poll_until_ended()
    tuning.step()
    assert found(states=["ready"], provider_state="JOB_STATE_SUCCEEDED") == [model]
    assert found(states=["creating"]) == []


def test_a_failed_tuning_that_left_a_model_names_it_and_its_erasure_deletes_it(
    tuning: Tuning,
) -> None:
    tuning.emulator.configure(tuning_outcome="error_after_upload")
    try:
        tuning.step()
        tuning.poll_until_ended()
    finally:
        tuning.emulator.configure(tuning_outcome="succeed")
    with pytest.raises(ProviderFailed) as caught:
        tuning.step()
    model_id = tuning.run.outputs["model"]
    with tuning.sessions.transaction() as session:
        model = session.get_one(TunedModel, model_id)
        left = model.resource_name
        assert left
        assert model.ready_at is None
        assert left in caught.value.message
        gone = remove_model(session, model_id, project_id=model.project_id)
    assert [each.target for each in gone] == [left]


class CountingVertex(VertexTuning):
    """Vertex AI, and how often it was asked about one tuning and for a list."""

    def __init__(self, url: str) -> None:
        super().__init__(project=PROJECT, location="us-central1", endpoint=url)
        self.singles = self.lists = 0

    def poll(self, resource_name: str) -> ProviderTuning:
        self.singles += 1
        return super().poll(resource_name)

    def poll_many(self, resource_names: Sequence[str]) -> Mapping[str, ProviderTuning]:
        self.lists += 1
        return super().poll_many(resource_names)


def add_operations(
    sessions: Sessions, project_id: str, names: Sequence[str], *, provider: str
) -> list[str]:
    """Write tunings that others have started and that are due for a poll; return their jobs."""
    runs = [
        reserve_run(POLL, {"resource_name": name}, project_id=project_id, sessions=sessions)
        for name in names
    ]
    with sessions.transaction() as session:
        for run, name in zip(runs, names, strict=True):
            session.add(operation(run, name, provider=provider))
    return [run.id for run in runs]


def operation(run: MemoryRun, name: str, *, provider: str) -> TuningRun:
    now = utc_now()
    return TuningRun(
        id=run.id.replace("job", "tun"),
        project_id=run.project_id,
        provider=provider,
        result={},
        attached=True,
        job_id=run.id,
        state="accepted",
        resource_name=name,
        intended_at=now,
        submitted_at=now,
        next_poll_at=now - timedelta(seconds=1),
    )


def orders(tuning: Tuning, count: int) -> list[TuningRequest]:
    tuning.step()
    spec = TuneSpec.model_validate(tuning.run.spec)
    inputs = read_inputs(tuning.run, spec, sessions=tuning.sessions)
    order = request_of(tuning.row(), spec, inputs, rows=[inputs.training_uri])
    return [order] * count


def test_many_due_tunings_are_read_from_the_list_and_the_rest_one_by_one(tuning: Tuning) -> None:
    vertex = CountingVertex(tuning.emulator.url)
    project_id, sessions = tuning.run.project_id, tuning.sessions
    table = polled_tunings(lambda _: Registry("provider", {"vertex": vertex}), store=store)
    with slow(tuning):  # none of them is to be trained
        names = [vertex.submit(order) for order in orders(tuning, 60)]
        gone = f"{names[0].rpartition('/')[0]}/1"
        jobs = add_operations(sessions, project_id, [*names, gone], provider="vertex")

        poll_operations([table], sessions=sessions, pace=tuning.pace)
        tuning.emulator.reset(config=False)

    assert vertex.lists == 1
    assert vertex.singles < 5  # the one that is not listed, and this job's own
    with sessions.reading() as session:
        rows = session.query(TuningRun).filter(TuningRun.job_id.in_(jobs)).all()
        assert sum(row.polled_at is not None for row in rows) == 60
        assert [row.resource_name for row in rows if row.missing_since] == [gone]


def test_a_place_that_does_not_answer_is_left_alone_and_holds_up_no_other(tuning: Tuning) -> None:
    tuning.step()
    sessions, project_id = tuning.sessions, tuning.run.project_id
    away = "projects/1/locations/us-east1/tuningJobs/"
    silent = [f"{away}{number}" for number in range(FAILURES + 2)]
    jobs = add_operations(sessions, project_id, silent, provider="away")
    dead = open_vertex(project=PROJECT, location="us-east1", endpoint=DEAD)
    healthy = tuning.providers.find("vertex")
    providers = Registry("provider", {"vertex": healthy, "away": dead})
    table = polled_tunings(lambda _: providers, store=store)
    make_due(sessions)

    poll_operations([table], sessions=sessions, pace=tuning.pace)

    with sessions.reading() as session:
        circuit = session.get_one(ProviderCircuit, "away/us-east1")
        assert circuit.open_until is not None
        rows = session.query(TuningRun).filter(TuningRun.job_id.in_(jobs)).all()
        assert {row.state for row in rows} == {"accepted"}
        warned = [row.job_id for row in rows if row.unanswered_since]
        assert warned
        assert session.query(TuningRun).filter_by(job_id=tuning.run.id).one().polled_at

    make_due(sessions)
    poll_operations([table], sessions=sessions, pace=tuning.pace)  # no call is made there
    with sessions.reading() as session:
        assert session.get_one(ProviderCircuit, "away/us-east1").failures == circuit.failures
        events = session.connection().exec_driver_sql(
            "SELECT job_id FROM event WHERE type = 'job.warning'"
        )
        assert sorted(row[0] for row in events) == sorted(jobs)  # each is reported once


def make_due(sessions: Sessions) -> None:
    with sessions.transaction() as session:
        for row in session.query(TuningRun).where(TuningRun.next_poll_at.is_not(None)):
            row.next_poll_at = utc_now() - timedelta(hours=1)


def test_a_place_that_answers_again_is_polled_again(tuning: Tuning) -> None:
    tuning.step()
    sessions = tuning.sessions
    with sessions.transaction() as session:
        earlier = utc_now() - timedelta(seconds=1)
        session.add(ProviderCircuit(place="vertex/us-central1", failures=7, open_until=earlier))
    tuning.poll_until_ended()
    assert tuning.step() is None
    with sessions.reading() as session:
        assert session.query(ProviderCircuit).all() == []


@pytest.mark.parametrize(("interval", "is_asked"), [(30, True), (300, False)])
def test_a_place_left_alone_is_asked_after_half_of_an_interval(
    tuning: Tuning, interval: float, *, is_asked: bool
) -> None:
    """Its pause of two minutes began 20 s ago."""
    tuning.step()
    sessions = tuning.sessions
    with sessions.transaction() as session:
        until = utc_now() + timedelta(seconds=100)
        session.add(ProviderCircuit(place="vertex/us-central1", failures=9, open_until=until))
    make_due(sessions)
    table = polled_tunings(lambda _: tuning.providers, store=store)
    poll_operations([table], sessions=sessions, pace=OperationPace(interval, 60))
    assert (tuning.row().polled_at is not None) == is_asked
    with sessions.reading() as session:
        assert (session.query(ProviderCircuit).count() == 0) == is_asked
