"""The table of states."""

import pytest

from service.jobs.lifecycle import OPEN, TERMINAL, State, event_type, may_follow


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


@pytest.mark.parametrize(
    ("before", "state", "announced"),
    [
        (State.QUEUED, State.RUNNING, "job.started"),
        (State.WAITING, State.QUEUED, "job.resumed"),
        (State.RUNNING, State.QUEUED, None),
        (State.RUNNING, State.WAITING, "job.waiting"),
        (State.RUNNING, State.SUCCEEDED, "job.succeeded"),
    ],
)
def test_moves_are_announced(before: State, state: State, announced: str | None) -> None:
    assert event_type(state, before=before) == announced
