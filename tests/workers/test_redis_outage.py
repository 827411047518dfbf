"""An outage of Redis in the middle of a run: calls continue, nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.evaluation.models import Prediction
from service.inference.redis_governor import QuotaState, read_states
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.postgres import PostgresServer
from tests.support.stack import GENERAL, Stack, start_stack

pytestmark = pytest.mark.journey

PER_SECOND = 30
ROWS = 15 * PER_SECOND  # the outage lies within these
OUTAGE_CALLS = 4 * PER_SECOND  # while it hangs, and as many while it is gone


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer) -> Iterator[Stack]:
    """Two evaluate workers that share one quota, which the provider keeps to."""
    settings = {"requests_per_minute": str(60 * PER_SECOND), "evaluate_slots": "2"}
    with (
        postgres.database() as database_url,
        start_stack(tmp_path, database_url, settings=settings) as started,
    ):
        started.fleet.start_ticker()
        started.workers = [
            started.fleet.start_worker(GENERAL, name="general", concurrency=1),
            started.fleet.start_worker("evaluate", name="one", concurrency=1),
            started.fleet.start_worker("evaluate", name="two", concurrency=1),
        ]
        started.emulator.configure(requests_per_minute=60 * PER_SECOND, burst_seconds=1)
        yield started


def asking(stack: Stack) -> Job:
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": ROWS + 200, "seed": 0},
        "train_sizes": [10],
        "test_size": ROWS,
    }
    dataset = stack.succeeded(stack.submit("prepare", spec).id).outputs["dataset"]
    job = stack.submit("evaluate", {"dataset": dataset, "variant": "zero_shot"})
    eventually(lambda: shared(stack) is not None, what="no pace is shared")
    return job


def shared(stack: Stack) -> QuotaState | None:
    """Return the quota's state in Redis once both workers are at work by it."""
    states = read_states(stack.redis.url)
    return states[0] if states and states[0].processes == 2 else None


def until_further_calls(stack: Stack, count: int) -> None:
    """Return once the provider has accepted so many more calls."""
    before = stack.spent("calls_accepted")
    eventually(lambda: stack.spent("calls_accepted") >= before + count, what="the calls have ended")


def stored(stack: Stack, job: Job) -> list[tuple[str, str]]:
    with stack.services.sessions.reading() as session:
        rows = session.query(Prediction).filter_by(evaluation_id=job.outputs["evaluation"])
        return [(row.example_id, row.outcome) for row in rows]


def test_an_outage_of_redis_costs_no_row_and_the_pace_is_shared_again(pair: Stack) -> None:
    job = asking(pair)
    pair.mark()
    pair.redis.freeze()
    until_further_calls(pair, OUTAGE_CALLS)
    pair.redis.kill()
    until_further_calls(pair, OUTAGE_CALLS)
    pair.redis.start()
    state = eventually(lambda: shared(pair), what="the pace is not shared again")
    assert state
    assert state.ceiling == PER_SECOND
    assert 0 < state.rate <= PER_SECOND
    pair.succeeded(job.id)
    rows = stored(pair, job)
    assert len(rows) == len({example for example, _ in rows}) == ROWS
    assert {outcome for _, outcome in rows} == {"ok"}
    assert pair.spent("repeated_prompts") == 0
    # Without a shared pace each keeps to its part: the provider has few calls to refuse.
    assert pair.spent("calls_rejected") <= 2 * PER_SECOND
