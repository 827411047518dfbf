"""Large evaluations are shared out over the fleet: nothing is lost, doubled or kept waiting."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.evaluation.models import Prediction
from service.evaluation.queries import get_evaluation
from service.jobs.lifecycle import State
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.postgres import PostgresServer
from tests.support.stack import GENERAL, Stack, start_stack

pytestmark = pytest.mark.journey

ROWS = 540  # a large evaluation: in three shards, and not in the first class of priority
FEW = 20


def prepared(stack: Stack, *, rows: int, seed: int) -> str:
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": rows + 200, "seed": seed},
        "train_sizes": [10],
        "test_size": rows,
    }
    return stack.succeeded(stack.submit("prepare", spec).id).outputs["dataset"]


def evaluate(stack: Stack, dataset: str, *, seed: int, **more: Any) -> Job:
    spec = {"dataset": dataset, "variant": "zero_shot", "seed": seed, **more}
    return stack.submit("evaluate", spec)


def stored(stack: Stack, job: Job) -> list[tuple[str, int]]:
    with stack.services.sessions.reading() as session:
        rows = session.query(Prediction).filter_by(evaluation_id=job.outputs["evaluation"])
        return [(row.example_id, row.sample) for row in rows]


def until_stored(stack: Stack, job: Job, count: int) -> None:
    eventually(lambda: len(stored(stack, job)) >= count, what="no answers yet")


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer) -> Iterator[Stack]:
    """A fleet with two evaluate workers of one slot each."""
    with (
        postgres.database() as database_url,
        start_stack(tmp_path, database_url, settings={"evaluate_slots": "2"}) as started,
    ):
        started.fleet.start_ticker()
        started.workers = [
            started.fleet.start_worker(GENERAL, name="general", concurrency=1),
            started.fleet.start_worker("evaluate", name="one", concurrency=1),
            started.fleet.start_worker("evaluate", name="two", concurrency=1),
        ]
        yield started


def test_a_shared_out_evaluation_survives_the_death_of_a_worker(pair: Stack) -> None:
    dataset = prepared(pair, rows=ROWS, seed=0)
    pair.emulator.configure(requests_per_minute=6000)  # else all is answered before the kill
    job = evaluate(pair, dataset, seed=1)
    until_stored(pair, job, ROWS // 3)
    shards = pair.children(job.id)
    assert [shard.kind for shard in shards] == ["ask", "ask"]
    pair.workers[1].kill()
    unstored = -len(stored(pair, job)) + pair.emulator.ledger()["calls_accepted"]
    ended = pair.succeeded(job.id)
    keys = stored(pair, job)
    assert len(keys) == len(set(keys)) == ROWS
    ledger = pair.emulator.ledger()
    on_their_way = ledger["peak_in_flight"]
    assert ledger["repeated_prompts"] <= unstored + on_their_way, "a stored answer was paid again"
    row, scores = get_evaluation(
        job.outputs["evaluation"], project_id=pair.project_id, sessions=pair.services.sessions
    )
    assert (row.rows, sum(row.outcomes.values()), scores[0].rows) == (ROWS, ROWS, ROWS)
    assert ended.progress["done"] == ended.progress["total"] == ROWS
    done = [
        event.data["progress"]["done"]
        for event in pair.events(job.id)
        if event.type == "job.progress"
    ]
    assert done == sorted(done)
    assert not any(pair.events(shard.id) for shard in shards)


@pytest.fixture(scope="module")
def many(running_stack: Stack) -> str:
    return prepared(running_stack, rows=ROWS, seed=2)


@pytest.fixture(scope="module")
def few(running_stack: Stack) -> str:
    return prepared(running_stack, rows=FEW, seed=3)


def test_a_small_evaluation_passes_a_large_one_and_a_cancel_reaches_every_share(
    stack: Stack, many: str, few: str
) -> None:
    stack.emulator.configure(requests_per_minute=1200, latency_seconds=0.2)
    large = evaluate(stack, many, seed=10)
    until_stored(stack, large, 50)
    small = stack.succeeded(evaluate(stack, few, seed=11).id)
    assert stack.job(large.id).state == State.WAITING
    assert small.progress["done"] == FEW
    stack.cancel(large.id)
    ended = stack.ended(large.id)
    assert ended.state == State.CANCELLED
    for shard in stack.children(large.id):
        assert stack.ended(shard.id).state == State.CANCELLED
    assert len(stored(stack, large)) < ROWS


def test_every_sample_is_stored_with_its_own_seed_and_the_majority_is_scored(
    stack: Stack, few: str
) -> None:
    job = evaluate(stack, few, seed=20, samples=3, temperature=0.7)
    stack.succeeded(job.id)
    keys = stored(stack, job)
    assert len(keys) == len(set(keys)) == 3 * FEW
    assert {sample for _, sample in keys} == {0, 1, 2}
    assert stack.spent("repeated_prompts") == 0
    row, scores = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert (row.samples, row.rows, scores[0].rows) == (3, FEW, FEW)
    assert row.usage["requests"] == 3 * FEW


def test_a_second_identical_evaluation_makes_no_call(stack: Stack, many: str) -> None:
    first = stack.succeeded(evaluate(stack, many, seed=30).id)
    stack.mark()
    second = stack.succeeded(evaluate(stack, many, seed=30).id)
    assert stack.spent("calls_accepted") == 0
    assert not stack.children(second.id)
    rows = [
        get_evaluation(
            job.outputs["evaluation"],
            project_id=stack.project_id,
            sessions=stack.services.sessions,
        )
        for job in (first, second)
    ]
    assert rows[0][1][0].value == rows[1][1][0].value
    assert rows[1][0].usage["cached"] == ROWS


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_has_evaluated_holds_no_large_parquet_library(stack: Stack, few: str) -> None:
    stack.workers[1].stop()  # forked from a process that holds them
    stack.workers[1] = stack.fleet.start_worker("evaluate", name="afresh", afresh=True)
    stack.succeeded(evaluate(stack, few, seed=40, metrics=["exact_match"]).id)
    worker = psutil.Process(stack.workers[1].pid)
    assert worker.children()
    for process in [worker, *worker.children()]:
        held = " ".join(part.path for part in process.memory_maps())
        assert not re.search("site-packages/_?(pyarrow|polars)", held)  # arro3 is a few megabytes
        assert "site-packages/uvloop" in held
