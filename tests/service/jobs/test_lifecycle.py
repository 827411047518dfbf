"""The table of states."""

from datetime import timedelta
from itertools import product

import pytest

from service.clock import utc_now
from service.errors import Internal
from service.jobs import repository
from service.jobs.claims import finish_job, park_job, requeue_job
from service.jobs.lifecycle import OPEN, TERMINAL, Reason, State, may_follow
from service.jobs.models import Job
from service.jobs.ports import Waiting
from service.jobs.sweeps import wake_due
from service.webhooks.event_log import list_events
from tests.service.jobs.conftest import Jobs


def test_every_state_is_open_or_terminal() -> None:
    assert set(State) == OPEN | TERMINAL
    assert not OPEN & TERMINAL


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_follows_an_end(state: State) -> None:
    assert not any(may_follow(state, following) for following in State)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_job_can_still_end(state: State) -> None:
    reached, frontier = {state}, [state]
    while frontier:
        following = {each for each in State if may_follow(frontier[-1], each)} - reached
        frontier.pop()
        reached |= following
        frontier.extend(following)
    assert reached >= TERMINAL


def test_a_cancelling_job_may_still_succeed_because_the_provider_may_be_done() -> None:
    assert may_follow(State.CANCELLING, State.SUCCEEDED)


@pytest.mark.parametrize(("state", "following"), list(product(State, State)))
def test_a_job_moves_as_the_table_says_and_not_otherwise(
    jobs: Jobs, state: State, following: State
) -> None:
    submitted, _ = jobs.submit()
    with jobs.sessions.transaction() as session:
        session.get_one(Job, submitted.id).state = state.value
    with jobs.sessions.transaction() as session:
        job = repository.lock(session, submitted.id)
        assert job is not None
        if may_follow(state, following):
            assert repository.move(session, job, state=following, now=utc_now(), token=None)
            assert job.state == following
        else:
            with pytest.raises(Internal, match=f"a {state} job cannot become {following}"):
                repository.move(session, job, state=following, now=utc_now(), token=None)


def test_a_job_is_taken_over_by_another_worker_and_never_runs_out_of_its_wait() -> None:
    assert may_follow(State.RUNNING, State.RUNNING)
    assert not may_follow(State.WAITING, State.RUNNING)


def test_moves_emit_their_events_and_a_requeue_emits_none(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    for again in (requeue, park, finish):
        claim = jobs.claim(job.id)
        assert claim is not None
        again(jobs, *claim)
    emitted = [event.type for event in list_events(jobs.project_id, sessions=jobs.sessions)]
    assert emitted == [
        "job.created",
        "job.started",
        "job.started",
        "job.waiting",
        "job.resumed",
        "job.started",
        "job.succeeded",
    ]


def requeue(jobs: Jobs, job: Job, token: str) -> None:
    assert requeue_job(job.id, token=token, sessions=jobs.sessions)


def park(jobs: Jobs, job: Job, token: str) -> None:
    waiting = Waiting(Reason.RETRY, seconds=0)
    assert park_job(job.id, waiting, token=token, sessions=jobs.sessions)
    assert wake_due(utc_now() + timedelta(seconds=1), sessions=jobs.sessions) == 1


def finish(jobs: Jobs, job: Job, token: str) -> None:
    assert finish_job(job.id, State.SUCCEEDED, token=token, sessions=jobs.sessions)
