"""Work divided among child jobs: every item once, and one failure ends the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.database import Session
from service.errors import Conflict
from service.jobs.lifecycle import Reason, State
from service.jobs.models import Job
from service.jobs.ports import Waiting
from service.jobs.shards import await_shards, divide, refuse_incomplete
from tests.service.jobs.conftest import Jobs


@given(total=st.integers(1, 5_000), shards=st.integers(1, 64))
def test_ranges_cover_every_position_once_and_differ_by_one_at_most(
    total: int, shards: int
) -> None:
    ranges = divide(total, shards=shards)
    assert len(ranges) == min(total, shards)
    assert [position for each in ranges for position in each] == list(range(total))
    lengths = [len(each) for each in ranges]
    assert max(lengths) - min(lengths) <= 1


def ended(jobs: Jobs, *states: State) -> list[Job]:
    rows = [jobs.submit()[0] for _ in states]
    with jobs.sessions.transaction() as session:
        return [_set(session, row.id, state) for row, state in zip(rows, states, strict=True)]


def _set(session: Session, job_id: str, state: State) -> Job:
    row = session.get_one(Job, job_id)
    row.state = state.value
    if state is State.FAILED:
        row.error = {"code": "broken", "detail": f"{row.id} broke"}
    return row


def test_a_parent_waits_while_a_shard_is_open(jobs: Jobs) -> None:
    shards = ended(jobs, State.SUCCEEDED, State.FAILED, State.RUNNING)
    assert await_shards(shards) == Waiting(Reason.CHILDREN)


def test_the_first_failure_of_a_shard_becomes_that_of_its_parent(jobs: Jobs) -> None:
    shards = ended(jobs, State.SUCCEEDED, State.FAILED, State.FAILED)
    with pytest.raises(Conflict, match=f"{shards[1].id} broke") as caught:
        await_shards(shards)
    assert caught.value.code == "broken"


def test_a_cancelled_shard_is_no_failure_but_leaves_its_work_undone(jobs: Jobs) -> None:
    shards = ended(jobs, State.SUCCEEDED, State.CANCELLED)
    assert await_shards(shards) is None
    with pytest.raises(Conflict, match="cancelled"):
        refuse_incomplete(shards)
