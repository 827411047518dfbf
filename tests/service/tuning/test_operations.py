"""A tuning is paid for once, whatever is lost on the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields

import pytest

from service.database import Session, Sessions
from service.errors import Forbidden, Invalid, NotFound, ProviderFailed
from service.jobs.lifecycle import Reason
from service.jobs.paid_operations.states import OperationState
from service.jobs.ports import JobCancelled, LeaseLost, Waiting
from service.registry import Registry
from service.tuning.models import TunedModel, TuningRun
from service.tuning.ports import TuningProvider, TuningRequest
from service.tuning.providers.vertex import VertexTuning
from service.tuning.queries import get_model, ready_model
from tests.service.tuning.conftest import (
    PROJECT,
    SYNTHETIC,
    TRAIN_SIZE,
    TUNE,
    Tuning,
    prepare,
    store,
    tuning_of,
)
from tests.support.emulator import EmulatorProcess
from tests.support.faulty_proxy import FaultyProxy
from tests.support.runs import MemoryRun, add_project, reserve_run


def test_a_tuning_is_submitted_polled_and_becomes_a_model(tuning: Tuning) -> None:
    assert tuning.step() == Waiting(Reason.PROVIDER)
    tuning.poll_until_ended()
    assert tuning.step() is None
    model = get_model(
        tuning.run.outputs["model"], project_id=tuning.run.project_id, sessions=tuning.sessions
    )
    assert model.train_size == TRAIN_SIZE
    assert model.synthetic
    assert model.endpoint
    assert model.location == model.endpoint.split("/")[3]
    assert model.statistics["tuning_dataset_example_count"] == TRAIN_SIZE
    with tuning.sessions.reading() as session:
        assert ready_model(model.id, project_id=model.project_id, session=session).endpoint
    assert tuning.step() is None
    assert len(tuning.tunings()) == 1


def test_a_dataset_without_validation_rows_is_tuned_without_them(
    sessions: Sessions,
    emulator: EmulatorProcess,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    prepared = prepare(sessions, add_project(sessions), **SYNTHETIC | {"validation_size": 0})
    tuning = tuning_of(prepared, sessions=sessions, emulator=emulator, url=proxy.url)
    assert tuning.step() == Waiting(Reason.PROVIDER)
    assert len(store().keys_below(str(tuning.row().staged_in))) == 1


def test_a_lost_answer_does_not_start_a_second_tuning(tuning: Tuning, proxy: FaultyProxy) -> None:
    proxy.lose_next("answer")
    waiting = tuning.step()
    assert isinstance(waiting, Waiting)
    assert waiting.reason is Reason.RETRY
    assert len(tuning.tunings()) == 1
    again = tuning.step()  # too early: the request could still be under way
    assert isinstance(again, Waiting)
    assert again.reason is Reason.RETRY
    assert tuning.step(settled=True) == Waiting(Reason.PROVIDER)
    assert len(tuning.tunings()) == 1
    assert tuning.row().resource_name == tuning.tunings()[0]["name"]


def test_a_lost_request_is_sent_again_once_it_must_be_lost(
    tuning: Tuning, proxy: FaultyProxy
) -> None:
    proxy.lose_next("request")
    tuning.step()
    assert tuning.tunings() == []
    assert tuning.step(settled=True) == Waiting(Reason.PROVIDER)
    assert len(tuning.tunings()) == 1


@pytest.mark.parametrize("status", [408, 409, 499, 503])
def test_an_answer_that_leaves_open_whether_a_tuning_was_created_has_it_looked_for(
    tuning: Tuning, proxy: FaultyProxy, status: int
) -> None:
    proxy.answer_next("POST", status)
    waiting = tuning.step()
    assert isinstance(waiting, Waiting)
    assert waiting.reason is Reason.RETRY
    assert tuning.step(settled=True) == Waiting(Reason.PROVIDER)
    assert [each["name"] for each in tuning.tunings()] == [tuning.row().resource_name]


def test_a_search_that_is_refused_for_a_while_is_made_again(
    tuning: Tuning, proxy: FaultyProxy
) -> None:
    proxy.lose_next("answer")
    tuning.step()
    proxy.answer_next("GET", 403)
    waiting = tuning.step(settled=True)
    assert isinstance(waiting, Waiting)
    assert waiting.reason is Reason.RETRY
    assert tuning.step(settled=True) == Waiting(Reason.PROVIDER)
    assert len(tuning.tunings()) == 1


def test_a_tuning_that_is_not_listed_at_the_first_look_is_asked_about_again(
    tuning: Tuning, proxy: FaultyProxy
) -> None:
    tuning.step()
    proxy.answer_next("GET", 404)
    tuning.poll()
    assert tuning.row().missing_since is not None
    tuning.poll_until_ended()
    assert tuning.row().missing_since is None
    assert tuning.step() is None


def test_a_tuning_that_stays_missing_has_failed(tuning: Tuning, proxy: FaultyProxy) -> None:
    tuning.step()
    for _ in range(2):
        proxy.answer_next("GET", 404)
        tuning.poll(settled=True)
    with pytest.raises(ProviderFailed) as caught:
        tuning.step()
    assert caught.value.code == "tuning_not_found"


def test_a_poll_that_is_refused_is_made_again(tuning: Tuning, proxy: FaultyProxy) -> None:
    tuning.step()
    proxy.answer_next("GET", 403)
    tuning.poll()
    assert tuning.row().finished_at is None
    tuning.poll_until_ended()
    assert tuning.step() is None


def test_a_refusal_returns_what_was_held_and_is_not_sent_again(
    tuning: Tuning, sessions: Sessions
) -> None:
    with sessions.transaction() as session:
        model = session.get_one(TunedModel, tuning.run.outputs["model"])
        model.base_model = "nonesuch"
    with pytest.raises((Invalid, NotFound)):
        tuning.step()
    assert tuning.row().state == OperationState.FAILED
    with pytest.raises(ProviderFailed, match="nonesuch"):
        tuning.step()


@dataclass
class OvertakenRun(MemoryRun):
    """A run whose lease another worker takes over."""

    lost: bool = False

    @contextmanager
    def fenced(self) -> Iterator[Session]:
        if self.lost:
            raise LeaseLost
        with self.sessions.transaction() as session:
            yield session


class LateVertex(VertexTuning):
    """Stands still right before a request, while `meanwhile` happens."""

    meanwhile: Callable[[], object]

    def submit(self, request: TuningRequest) -> str:
        self.meanwhile()
        return super().submit(request)


@pytest.mark.parametrize("missing", ["refuse", "fail"])
def test_a_request_that_is_sent_after_its_successors_finds_no_rows_and_trains_nothing(
    tuning: Tuning, missing: str
) -> None:
    tuning.emulator.configure(missing_file=missing)
    fields = {field.name: getattr(tuning.run, field.name) for field in dataclass_fields(MemoryRun)}
    run = OvertakenRun(**fields)
    late = LateVertex(project=PROJECT, location="us-central1", endpoint=tuning.emulator.url)

    def be_overtaken() -> None:
        run.lost = True
        assert tuning.step(settled=True) == Waiting(Reason.PROVIDER)

    late.meanwhile = be_overtaken
    providers: Registry[TuningProvider] = Registry("provider", {"vertex": late})
    with pytest.raises(LeaseLost):
        replace(tuning, run=run, providers=providers).step()
    tuning.poll_until_ended()
    assert tuning.step() is None

    assert [each["state"] for each in tuning.tunings() if each["trained_tokens"]] == [
        "JOB_STATE_SUCCEEDED"
    ]
    assert store().keys_below(str(tuning.row().staged_in)) == []


def test_without_credentials_nothing_is_written_and_nothing_is_held(tuning: Tuning) -> None:
    class NoCredentials(VertexTuning):
        def connect(self) -> None:
            raise Forbidden("no Google credentials", code="provider_credentials")

    provider: TuningProvider = NoCredentials(project="p", location="l", endpoint="http://x")
    providers = Registry("provider", {"vertex": provider})
    with pytest.raises(Forbidden):
        replace(tuning, providers=providers).step()
    with tuning.sessions.reading() as session:
        assert session.query(TuningRun).filter_by(job_id=tuning.run.id).count() == 0


def test_a_tuning_past_its_deadline_is_cancelled_and_its_job_says_so(
    tuning: Tuning, sessions: Sessions
) -> None:
    tuning.emulator.configure(tuning_seconds=60)
    try:
        tuning.step()
        with sessions.transaction() as session:
            row = session.query(TuningRun).filter_by(job_id=tuning.run.id).one()
            row.deadline_at = row.submitted_at
        tuning.poll_until_ended()
        with pytest.raises(ProviderFailed) as caught:
            tuning.step()
        assert caught.value.code == "deadline_exceeded"
        assert tuning.tunings()[0]["state"] == "JOB_STATE_CANCELLED"
    finally:
        tuning.emulator.configure(tuning_seconds=0.1)


def test_a_cancel_that_is_refused_for_a_while_still_reaches_the_provider(
    tuning: Tuning, proxy: FaultyProxy
) -> None:
    tuning.emulator.configure(tuning_seconds=60)
    try:
        tuning.step()
        tuning.run.cancelling = True
        proxy.lose_next("request")
        assert isinstance(tuning.step(), Waiting)
        assert isinstance(tuning.step(), Waiting)
        tuning.poll_until_ended()
        with pytest.raises(JobCancelled):
            tuning.step()
    finally:
        tuning.emulator.configure(tuning_seconds=0.1)


def test_a_worker_that_died_before_it_could_write_the_answer_down_is_taken_over(
    tuning: Tuning, sessions: Sessions
) -> None:
    tuning.step()
    with sessions.transaction() as session:  # as if the process had died after the provider's yes
        row = session.query(TuningRun).filter_by(job_id=tuning.run.id).one()
        row.resource_name, row.state, row.next_poll_at = None, OperationState.INTENDED.value, None
    assert tuning.step(settled=True) == Waiting(Reason.PROVIDER)
    assert len(tuning.tunings()) == 1


def test_a_job_cancelled_before_it_was_sent_sends_nothing(tuning: Tuning) -> None:
    tuning.run.cancelling = True
    with pytest.raises(JobCancelled):
        tuning.step()


def test_a_cancel_reaches_the_provider(tuning: Tuning) -> None:
    tuning.emulator.configure(tuning_seconds=60)
    try:
        tuning.step()
        tuning.run.cancelling = True
        waiting = tuning.step()
        assert isinstance(waiting, Waiting)
        tuning.poll_until_ended()
        with pytest.raises(JobCancelled):
            tuning.step()
        assert tuning.tunings()[0]["state"] == "JOB_STATE_CANCELLED"
    finally:
        tuning.emulator.configure(tuning_seconds=0.1)


def test_an_unknown_train_size_names_the_known_ones(tuning: Tuning) -> None:
    spec = {"dataset": tuning.run.spec["dataset"], "train_size": 99}
    with pytest.raises(Invalid) as caught:
        reserve_run(TUNE, spec, project_id=tuning.run.project_id, sessions=tuning.sessions)
    assert caught.value.faults[0].pointer == "/spec/train_size"
    assert str(TRAIN_SIZE) in caught.value.message


def test_a_dataset_of_nobody_is_refused_at_submission(tuning: Tuning) -> None:
    spec = {"dataset": "ds_00000000000000000000000000", "train_size": 1}
    with pytest.raises(NotFound) as caught:
        reserve_run(
            TUNE,
            spec,
            project_id=tuning.run.project_id,
            sessions=tuning.sessions,
        )
    assert caught.value.code == "input_not_found"


def test_a_tuning_that_failed_tells_the_providers_reason(
    tuning: Tuning, sessions: Sessions
) -> None:
    tuning.step()
    with sessions.transaction() as session:
        row = session.query(TuningRun).filter_by(job_id=tuning.run.id).one()
        row.state, row.provider_state = OperationState.FAILED.value, "JOB_STATE_FAILED"
        row.error = {"code": 13, "message": "could not deploy"}
    with pytest.raises(ProviderFailed) as caught:
        tuning.step()
    assert caught.value.code == "provider_failed"
    assert "could not deploy" in caught.value.message
