"""Twenty seconds without Redis in the middle of a run: calls go on, nothing is lost."""

import time
from collections.abc import Iterator
from itertools import pairwise
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
ROWS = 30 * PER_SECOND  # half a minute's work: the outage lies within it
HANGS_SECONDS, GONE_SECONDS = 8, 12
OUTAGE_SECONDS = HANGS_SECONDS + GONE_SECONDS


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer) -> Iterator[Stack]:
    """Two evaluate workers that share one quota, which the provider keeps to."""
    pace = str(60 * PER_SECOND)
    with (
        postgres.database() as url,
        start_stack(tmp_path, url, requests_per_minute=pace, evaluate_slots="2") as started,
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


def calls_in(stack: Stack, seconds: float) -> list[int]:
    """Return how many calls the provider accepts in each of some spans of two seconds."""
    counts, ends = [stack.spent("calls_accepted")], time.monotonic()
    for _ in range(int(seconds / 2)):
        ends += 2
        eventually(lambda ends=ends: time.monotonic() >= ends)  # type: ignore[misc]
        counts.append(stack.spent("calls_accepted"))
    return [later - sooner for sooner, later in pairwise(counts)]


def stored(stack: Stack, job: Job) -> list[tuple[str, str]]:
    with stack.services.sessions.reading() as session:
        rows = session.query(Prediction).filter_by(evaluation_id=job.outputs["evaluation"])
        return [(row.example_id, row.outcome) for row in rows]


def test_twenty_seconds_without_redis_cost_no_row_and_the_pace_is_shared_again(
    pair: Stack,
) -> None:
    job = asking(pair)
    pair.mark()
    pair.redis.freeze()
    spans = calls_in(pair, HANGS_SECONDS)
    pair.redis.kill()
    spans += calls_in(pair, GONE_SECONDS)
    # The first span holds the second in which both find out.
    assert min(spans) > 0.3 * 2 * PER_SECOND, spans
    assert 0.7 * OUTAGE_SECONDS < sum(spans) / PER_SECOND <= OUTAGE_SECONDS + 2, spans
    pair.redis.start()
    state = eventually(lambda: shared(pair), what="the pace is not shared again")
    assert state
    assert state.ceiling == PER_SECOND
    assert 0.5 * PER_SECOND < state.rate <= PER_SECOND
    pair.succeeded(job.id)
    rows = stored(pair, job)
    assert len(rows) == len({example for example, _ in rows}) == ROWS
    assert {outcome for _, outcome in rows} == {"ok"}
    assert pair.spent("repeated_prompts") == 0
    assert pair.spent("calls_rejected") <= 2 * PER_SECOND
