"""A cancel waits neither for the calls under way nor for a slot.

That it is seen within two seconds, bench/inference/quota.py measures (scenario `fair`).
"""

from typing import Any

import pytest

from service.jobs.lifecycle import State
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

FEW, MANY = 60, 1200
LATENCY_SECONDS = 3600
CALL_SECONDS = 1800  # the deadline of a call: no cancel is waited for so long


@pytest.fixture(scope="module")
def stack_settings() -> dict[str, str]:
    return {"call_timeout_seconds": str(CALL_SECONDS)}


def prepared(stack: Stack, *, rows: int) -> str:
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": rows + 200, "seed": rows},
        "train_sizes": [10],
        "test_size": rows,
    }
    return stack.succeeded(stack.submit("prepare", spec).id).outputs["dataset"]


@pytest.fixture(scope="module")
def few(running_stack: Stack) -> str:
    return prepared(running_stack, rows=FEW)


@pytest.fixture(scope="module")
def many(running_stack: Stack) -> str:
    return prepared(running_stack, rows=MANY)


def submit(stack: Stack, dataset: str, *, seed: int) -> Job:
    spec: dict[str, Any] = {"dataset": dataset, "variant": "zero_shot", "seed": seed}
    return stack.submit("evaluate", spec)


def until_asking(stack: Stack, dataset: str, *, seed: int) -> Job:
    """Return an evaluation with calls under way; each of them takes half an hour."""
    stack.emulator.configure(latency_seconds=LATENCY_SECONDS)
    before = stack.spent("calls_accepted")
    job = submit(stack, dataset, seed=seed)
    eventually(lambda: stack.spent("calls_accepted") >= before + 50, what="no calls")
    return job


def cancel(stack: Stack, job: Job) -> Job:
    stack.cancel(job.id)
    ended = stack.ended(job.id)
    assert ended.state == State.CANCELLED
    return ended


def test_a_cancel_does_not_wait_for_the_calls_under_way(stack: Stack, few: str) -> None:
    cancel(stack, until_asking(stack, few, seed=0))


def test_a_cancel_ends_after_the_shares_whose_costs_it_adds_up(stack: Stack, many: str) -> None:
    job = until_asking(stack, many, seed=10)
    ended = cancel(stack, job)
    shards = stack.children(job.id)
    assert [shard.state for shard in shards] == [State.CANCELLED, State.CANCELLED]
    assert ended.cost["requests"] == sum(shard.cost.get("requests", 0) for shard in shards)


def test_a_cancel_waits_for_no_slot_that_others_hold(stack: Stack, many: str) -> None:
    stack.emulator.configure(latency_seconds=LATENCY_SECONDS)
    jobs = [submit(stack, many, seed=seed) for seed in (20, 21, 22)]

    def idle() -> list[Job]:
        """Return the jobs that wait for their shards while others hold both slots."""
        running = {job.id: at_work(stack, job) for job in jobs}
        if sum(running.values()) < 2:
            return []
        return [job for job in jobs if not running[job.id] and is_waiting(stack, job)]

    try:
        idling = eventually(idle, what="both slots are not held")
        cancel(stack, idling[0])
    finally:
        for job in jobs:
            stack.cancel(job.id)


def at_work(stack: Stack, job: Job) -> int:
    return sum(shard.state == State.RUNNING for shard in stack.children(job.id))


def is_waiting(stack: Stack, job: Job) -> bool:
    return stack.job(job.id).state == State.WAITING
