"""Nothing is lost and nothing is paid twice when processes die."""

import pytest

from service.evaluation.models import Prediction
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.workers.test_experiment import SIZES, experiment

pytestmark = pytest.mark.journey


def stored_answers(stack: Stack) -> int:
    with stack.services.sessions.reading() as session:
        return session.query(Prediction).count()


def accepted_at_rest(stack: Stack) -> int:
    """Return the calls that the provider has accepted once no request is under way any more."""
    seen: list[int] = []

    def is_at_rest() -> bool:
        seen.append(stack.emulator.ledger()["calls_accepted"])
        return len(seen) > 5 and len(set(seen[-5:])) == 1

    eventually(is_at_rest, pause=0.1, what="calls last after their workers were killed")
    return seen[-1]


def test_an_experiment_survives_the_death_of_its_workers_and_a_wiped_broker(
    fresh_stack: Stack,
) -> None:
    stack = fresh_stack
    stack.emulator.configure(latency_seconds=0.4, tuning_seconds=3)
    job = stack.submit("experiment", experiment(test_size=120, rows=400))
    eventually(lambda: stack.emulator.ledger()["calls_accepted"] > 30, what="no calls yet")
    for worker in stack.workers:
        worker.kill()
    unstored = accepted_at_rest(stack) - stored_answers(stack)
    stack.redis.wipe()
    stack.redis.kill()
    stack.redis.start()
    stack.start_workers()
    eventually(lambda: stack.emulator.ledger()["tunings_created"] >= 1, what="no tuning yet")
    stack.workers[0].kill()
    stack.start_workers()
    stack.succeeded(job.id)
    ledger = stack.emulator.ledger()
    labels = [tuning["labels"]["tunecurve-run"] for tuning in ledger["tunings"]]
    assert len(labels) == len(set(labels)) == len(SIZES)
    assert ledger["repeated_prompts"] <= unstored, "an answer that was stored was paid again"
    assert all(each.coverage == 1.0 for each in stack.variants(job).values())
