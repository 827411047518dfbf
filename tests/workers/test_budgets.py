"""A budget holds over the fleet: to the last call, over a kill, and before a tuning is sent."""

from decimal import Decimal
from typing import Any

import pytest

from service.inference.ledger import cost_of_job
from service.jobs.lifecycle import State
from service.jobs.models import Budget, Job
from service.jobs.operations import Request, reserve_ids
from service.money import NANO, dollars, parse_dollars
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

ROWS = 240
IN_FLIGHT = 8  # of one run; two shards run at once
PREPARATION = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 400, "seed": 5},
    "train_sizes": [10],
    "test_size": ROWS,
}


@pytest.fixture(scope="module")
def stack_settings() -> dict[str, str]:
    return {"calls_in_flight": str(IN_FLIGHT)}


@pytest.fixture(scope="module")
def dataset(running_stack: Stack) -> str:
    job = running_stack.succeeded(running_stack.submit("prepare", PREPARATION).id)
    return job.outputs["dataset"]


def evaluation(dataset: str, *, seed: int) -> dict[str, Any]:
    return {"dataset": dataset, "variant": "zero_shot", "seed": seed}


def bill(stack: Stack) -> int:
    """Return the nano-dollars that all calls would have cost by the emulator's own list."""
    return round(float(stack.emulator.ledger()["generation_cost_usd"]) * NANO)


def spent(job: Job) -> int:
    return parse_dollars(job.cost["actual"])


def assert_ended_by_its_budget(job: Job) -> None:
    assert job.state == State.FAILED
    assert (job.error or {})["code"] == "budget_exhausted"


def estimated(stack: Stack, spec: dict[str, Any]) -> int:
    """Return what an evaluation is expected to cost in full: more than it will, less than twice."""
    kind = stack.services.kinds["evaluate"]
    request = Request("evaluate", kind.spec.model_validate(spec), {}, stack.project_id)
    assert kind.estimate
    with stack.services.sessions.reading() as session:
        return kind.estimate(session, reserve_ids(request, kind)).cost_nano or 0


def test_an_evaluation_stops_at_its_budget_also_when_its_worker_is_killed(
    stack: Stack, dataset: str
) -> None:
    spec = evaluation(dataset, seed=1)
    a_call = estimated(stack, spec) // ROWS
    limit = 100 * a_call
    stack.emulator.configure(latency_seconds=0.1)
    before = bill(stack)
    stack.mark()
    job = stack.submit("evaluate", spec, budget_nano=limit)
    eventually(lambda: stack.spent("calls_accepted") >= 30, what="no calls")
    stack.workers[1].kill()
    stack.workers[1] = stack.fleet.start_worker("evaluate", name="evaluate")

    ended = stack.ended(job.id)

    assert_ended_by_its_budget(ended)
    in_flight = 2 * IN_FLIGHT
    assert limit - in_flight * 2 * a_call <= spent(ended) <= limit + in_flight * a_call
    assert bill(stack) - before <= limit + 2 * in_flight * 2 * a_call  # at the kill, and at the end
    assert ended.cost["reserved"] == "0.00"
    assert 0 < ended.cost["requests"] < ROWS
    reported = stack.events(job.id)[-1].data["cost"]
    assert reported["actual"] == ended.cost["actual"]


def test_a_budget_that_suffices_changes_nothing(stack: Stack, dataset: str) -> None:
    spec = {"dataset": dataset, "shots": 0, "seed": 2, "hyperparameters": {"epochs": 1}}
    before = bill(stack)
    job = stack.submit("experiment", spec, budget_nano=5 * NANO)

    ended = stack.succeeded(job.id)

    [tuning] = stack.new_tunings()
    training = stack.services.catalogue.training_cost(
        "gemini-3.1-flash-lite", tokens=tuning["trained_tokens"]
    )
    assert training is not None
    assert spent(ended) == sum(spent(child) for child in stack.children(job.id))
    # Each call is rounded up to a whole nano-dollar, the emulator's sum only once.
    assert 0 <= spent(ended) - (bill(stack) - before + training) <= 2 * ROWS
    assert ended.cost["reserved"] == "0.00"
    with stack.services.sessions.reading() as session:
        assert session.get_one(Budget, job.id).drawn_nano == spent(ended)
        assert cost_of_job(session, job.id)["actual"] == ended.cost["actual"]
    assert Decimal(ended.cost["estimated"]) > 0


def test_a_tuning_that_does_not_fit_leaves_the_budget_to_what_does(stack: Stack) -> None:
    prepare = PREPARATION | {"train_sizes": [200], "test_size": 20}
    spec = {"prepare": prepare, "shots": 0, "seed": 3}
    limit = NANO // 100
    job = stack.submit("experiment", spec, budget_nano=limit)

    ended = stack.ended(job.id)

    assert_ended_by_its_budget(ended)
    assert stack.new_tunings() == []
    assert 0 < spent(ended) <= limit
    variants = stack.variants(ended)
    assert variants["zero-shot"].score is not None
    assert variants["tuned@200"].error == "budget_exhausted"
    reported = (ended.error or {})["detail"]
    assert dollars(limit) in reported
    assert "a budget of" in reported
