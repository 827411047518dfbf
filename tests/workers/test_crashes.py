"""Nothing is lost and nothing is paid twice when processes die."""

import pytest

from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.workers.test_experiment import SIZES, experiment

pytestmark = pytest.mark.journey


def test_an_experiment_survives_the_death_of_its_workers_and_a_wiped_broker(
    fresh_stack: Stack,
) -> None:
    stack = fresh_stack
    stack.emulator.configure(latency_seconds=0.4, tuning_seconds=3)
    job = stack.submit("experiment", experiment(test_size=120, rows=1200))
    eventually(
        lambda: stack.emulator.ledger()["calls_accepted"] > 30, seconds=60, what="no calls yet"
    )
    for worker in stack.workers:
        worker.kill()
    in_flight = stack.emulator.ledger()["peak_in_flight"]
    stack.redis.wipe()
    stack.redis.kill()
    stack.redis.start()
    stack.start_workers()
    eventually(
        lambda: stack.emulator.ledger()["tunings_created"] >= 1, seconds=60, what="no tuning yet"
    )
    stack.workers[0].kill()
    stack.start_workers()
    stack.succeeded(job.id, seconds=180)
    ledger = stack.emulator.ledger()
    labels = [tuning["labels"]["tunecurve-run"] for tuning in ledger["tunings"]]
    assert len(labels) == len(set(labels)) == len(SIZES)
    assert ledger["repeated_prompts"] <= in_flight + 20
    assert all(each.coverage == 1.0 for each in stack.variants(job).values())
