"""A tuning is paid for once, whatever is lost on the way."""

from dataclasses import replace

import pytest

from service.database import Sessions
from service.errors import Internal, Invalid, NotFound
from service.jobs.lifecycle import Reason
from service.jobs.ports import JobCancelled, Waiting
from service.tuning.models import TuningRun
from service.tuning.operations import get_model, ready_model
from service.tuning.ports import TuningState
from tests.service.tuning.conftest import TRAIN_SIZE, TUNE, Tuning
from tests.support.faulty_proxy import FaultyProxy
from tests.support.runs import reserve_run


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


def test_a_worker_that_died_before_it_could_write_the_answer_down_is_taken_over(
    tuning: Tuning, sessions: Sessions
) -> None:
    tuning.step()
    with sessions.transaction() as session:  # as if the process had died after the provider's yes
        row = session.query(TuningRun).filter_by(job_id=tuning.run.id).one()
        row.resource_name, row.state, row.next_poll_at = None, TuningState.INTENDED.value, None
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
    run = reserve_run(
        TUNE,
        spec,
        project_id=tuning.run.project_id,
        sessions=tuning.sessions,
    )
    with pytest.raises(Invalid) as caught:
        replace(tuning, run=run).step()
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
        row.state, row.provider_state = TuningState.FAILED.value, "JOB_STATE_FAILED"
        row.error = {"code": 13, "message": "could not deploy"}
    with pytest.raises(Internal) as caught:
        tuning.step()
    assert caught.value.code == "provider_failed"
    assert "could not deploy" in caught.value.message
