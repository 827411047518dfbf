"""What a provider's states and phases mean, each of them, and in every order."""

from itertools import pairwise, product
from random import Random

import pytest
from google.cloud import aiplatform_v1 as v1

from service.clock import utc_now
from service.jobs.paid_operations.records import take_status
from service.jobs.paid_operations.states import FINAL_STATES, OperationState
from service.tuning.models import TuningRun
from service.tuning.polls import status_of
from service.tuning.ports import TrainingPhase
from service.tuning.providers.vertex_answers import read_state, read_tuning

STATES = [each.name for each in v1.JobState]  # type: ignore[attr-defined]  # an enum of proto-plus

# What each state of the job means, and its phase where the detailed state says nothing.
MEANING = {
    "JOB_STATE_UNSPECIFIED": (OperationState.ACCEPTED, TrainingPhase.UNKNOWN),
    "JOB_STATE_QUEUED": (OperationState.ACCEPTED, TrainingPhase.QUEUED),
    "JOB_STATE_PENDING": (OperationState.ACCEPTED, TrainingPhase.QUEUED),
    "JOB_STATE_RUNNING": (OperationState.ACCEPTED, TrainingPhase.RUNNING),
    "JOB_STATE_UPDATING": (OperationState.ACCEPTED, TrainingPhase.RUNNING),
    "JOB_STATE_PAUSED": (OperationState.ACCEPTED, TrainingPhase.PAUSED),
    "JOB_STATE_CANCELLING": (OperationState.ACCEPTED, TrainingPhase.CANCELLING),
    "JOB_STATE_SUCCEEDED": (OperationState.SUCCEEDED, TrainingPhase.ENDED),
    "JOB_STATE_PARTIALLY_SUCCEEDED": (OperationState.SUCCEEDED, TrainingPhase.ENDED),
    "JOB_STATE_FAILED": (OperationState.FAILED, TrainingPhase.ENDED),
    "JOB_STATE_EXPIRED": (OperationState.FAILED, TrainingPhase.ENDED),
    "JOB_STATE_CANCELLED": (OperationState.CANCELLED, TrainingPhase.ENDED),
}
PHASE = {
    "TUNING_JOB_STATE_WAITING_FOR_QUOTA": TrainingPhase.WAITING_FOR_QUOTA,
    "TUNING_JOB_STATE_PROCESSING_DATASET": TrainingPhase.PROCESSING_DATASET,
    "TUNING_JOB_STATE_WAITING_FOR_CAPACITY": TrainingPhase.WAITING_FOR_CAPACITY,
    "TUNING_JOB_STATE_TUNING": TrainingPhase.TRAINING,
    "TUNING_JOB_STATE_POST_PROCESSING": TrainingPhase.POST_PROCESSING,
}
DETAILS = ["TUNING_JOB_STATE_UNSPECIFIED", *PHASE]
_SAID_BY_THE_STATE = {TrainingPhase.ENDED, TrainingPhase.PAUSED, TrainingPhase.CANCELLING}


def test_every_state_of_googles_own_types_has_a_meaning() -> None:
    from google.genai import types

    assert set(MEANING) == set(STATES)
    assert {*DETAILS} == {each.value for each in types.TuningJobState}


@pytest.mark.parametrize("state", [*STATES, "", "JOB_STATE_OF_NEXT_YEAR"])
def test_every_state_with_every_phase_is_one_of_ours(state: str) -> None:
    ours, without = MEANING.get(state, (OperationState.ACCEPTED, TrainingPhase.UNKNOWN))
    for detail in [*DETAILS, "", "TUNING_JOB_STATE_OF_NEXT_YEAR"]:
        reported = without if without in _SAID_BY_THE_STATE else PHASE.get(detail, without)
        assert read_state(state, detail) == (ours, reported)


def test_no_order_of_answers_makes_an_illegal_transition() -> None:
    """Three thousand random lives, of answers that follow each other as no provider's should."""
    random = Random(11)  # noqa: S311  nothing secret
    answers = list(product([*STATES, "nonsense"], [*DETAILS, "nonsense"]))
    for _ in range(3_000):
        row = TuningRun(state=OperationState.ACCEPTED.value, resource_name="a tuning")
        states, done = [OperationState.ACCEPTED], 0
        for state, detail in random.choices(answers, k=random.randint(1, 12)):
            done = max(0, done + random.choice([0, 1, 1, -1]))
            job = {"state": state, "tuningJobState": detail}
            spec = {"supervisedTuningSpec": {"hyperParameters": {"epochCount": "8"}}}
            metadata = {"tuningJobMetadata": {"completedEpochCount": str(done)}}
            finished = row.finished_at
            take_status(row, status_of(read_tuning(job | spec | metadata)), utc_now())
            states.append(OperationState(row.state))
            assert finished in {None, row.finished_at}
        ends = [state for state in states if state in FINAL_STATES]
        assert len(set(ends)) <= 1
        assert all(a not in FINAL_STATES or a is b for a, b in pairwise(states))
        assert (row.phase == TrainingPhase.ENDED) == bool(ends) == (row.finished_at is not None)
        assert (row.running_since is None) or row.metrics_due_at is not None
