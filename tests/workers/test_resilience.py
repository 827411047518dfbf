"""Outages, quotas, cancels and stopped processes: every job ends, and ends right."""

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from service.evaluation.models import Prediction
from service.evaluation.queries import get_evaluation
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.fleet import FleetProcess
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

SIZES = (10, 20)
TEST_ROWS = 60
DONE = {State.SUCCEEDED, State.FAILED, State.CANCELLED}


def preparation(*, rows: int = 500, seed: int = 0) -> dict[str, Any]:
    return {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": rows, "seed": seed},
        "train_sizes": list(SIZES),
        "test_size": TEST_ROWS,
    }


@pytest.fixture(scope="module")
def dataset(running_stack: Stack) -> str:
    job = running_stack.succeeded(running_stack.submit("prepare", preparation()).id)
    return job.outputs["dataset"]


def evaluation(dataset: str, *, seed: int, **more: Any) -> dict[str, Any]:
    """Another seed makes other requests: the emulator's ledger finds repeats by them."""
    return {"dataset": dataset, "variant": "zero_shot", "seed": seed, **more}


def outcomes(stack: Stack, job: Job) -> dict[str, int]:
    row, _ = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    return dict(row.outcomes)


def until_state(stack: Stack, job_id: str, state: State, reason: str | None = None) -> None:
    def reached() -> bool:
        job = stack.job(job_id)
        return job.state == state and (reason is None or job.reason == reason)

    eventually(reached, what=f"{job_id} is not {state} {reason}")


def until_calls(stack: Stack, count: int) -> None:
    eventually(lambda: stack.spent("calls_accepted") >= count, what="no calls yet")


def assert_events_in_order(stack: Stack, job: Job) -> None:
    """Events make one sensible life: made once, ended once and last, each wake-up after a wait."""
    types = [event.type.removeprefix("job.") for event in stack.events(job.id)]
    assert types[0] == "created"
    assert types[-1] == job.state
    counts = Counter(types)
    assert counts["created"] == 1
    assert sum(counts[state] for state in DONE) == 1
    moves = [each for each in types if each not in {"progress", "warning", "provider_state"}]
    for before, after in pairwise(moves):
        assert (after == "resumed") <= (before == "waiting"), types
        assert (before == "waiting") <= (after in {"resumed", "cancelling", "cancelled"}), types
    assert job.finished_at is not None
    assert job.created_at <= (job.started_at or job.created_at) <= job.finished_at


def test_an_experiment_shows_progress_and_survives_a_provider_that_is_away(stack: Stack) -> None:
    # So slow that the evaluations are under way when the first tuning has been sent.
    stack.emulator.configure(latency_seconds=0.3, requests_per_minute=400, tuning_seconds=3600)
    spec = {"prepare": preparation(seed=1), "shots": 2, "seed": 1}
    job = stack.submit("experiment", spec, team="red")
    eventually(lambda: stack.spent("tunings_created") == len(SIZES), what="no tunings")
    until_calls(stack, 20)
    names = {tuning["name"] for tuning in stack.new_tunings()}
    stack.emulator.kill()
    evaluating = [child.id for child in stack.children(job.id) if child.kind == "evaluate"][:2]
    eventually(
        lambda: any(stack.job(each).reason == "retry" for each in evaluating),
        what="no evaluation has noticed that its provider is away",
    )
    stack.start_emulator_again(tuning_seconds=0.5)
    ended = stack.succeeded(job.id)
    assert {tuning["name"] for tuning in stack.new_tunings()} == names
    assert all(variant.coverage == 1.0 for variant in stack.variants(ended).values())
    children = stack.children(job.id)
    for each in (ended, *children):
        assert_events_in_order(stack, each)
        assert each.labels["team"] == "red"
    counted = [
        event.data["progress"]["done"]
        for event in stack.events(job.id)
        if event.type == "job.progress"
    ]
    assert counted == sorted(counted)
    assert set(counted) == set(range(len(children) + 1))
    for name in ("requests", "prompt_tokens", "output_tokens", "training_tokens"):
        assert ended.cost[name] == sum(child.cost[name] for child in children)
    paid = [Decimal(child.cost["actual"]) for child in children]
    assert Decimal(ended.cost["actual"]) == sum(paid) > 0
    assert ended.cost["training_tokens"] > 0
    # What was in flight at the kill was sent and has no answer: it counts, as estimated.
    lost = ended.cost["requests"] - 4 * TEST_ROWS
    assert 0 <= lost <= len(evaluating) * TEST_ROWS
    assert (lost > 0) == (Decimal(ended.cost["uncounted"]) > 0)


def test_a_quota_of_a_tenth_costs_time_and_no_rows(stack: Stack, dataset: str) -> None:
    stack.emulator.configure(requests_per_minute=1200)
    jobs = [stack.submit("evaluate", evaluation(dataset, seed=seed)) for seed in (10, 11)]
    for job in jobs:
        ended = stack.succeeded(job.id)
        assert outcomes(stack, ended) == {"ok": TEST_ROWS}
    assert stack.spent("calls_accepted") == len(jobs) * TEST_ROWS
    # Most of them before the first 429 is heard: the whole test is on its way in half a second.
    assert stack.spent("calls_rejected") <= 3 * len(jobs) * TEST_ROWS


def test_a_cancel_ends_a_job_in_whatever_state_it_is(stack: Stack, dataset: str) -> None:
    stack.emulator.configure(tuning_seconds=120, latency_seconds=60)
    tune = stack.submit("tune", {"dataset": dataset, "train_size": SIZES[0]})
    asking = stack.submit("evaluate", evaluation(dataset, seed=20))
    until_state(stack, tune.id, State.WAITING, "provider")
    preparing = stack.submit("prepare", preparation(rows=60_000, seed=2))
    unready = evaluation(preparing.outputs["dataset"], seed=21)
    awaiting = stack.submit("evaluate", unready)
    until_state(stack, awaiting.id, State.WAITING, "input")
    until_state(stack, preparing.id, State.RUNNING)
    until_state(stack, asking.id, State.RUNNING)
    for job in (awaiting, preparing, asking, tune):
        stack.cancel(job.id)
    for job in (awaiting, preparing, asking, tune):
        ended = stack.ended(job.id)
        assert ended.state == State.CANCELLED, ended.kind
        assert ended.error is None
        assert_events_in_order(stack, ended)
    assert stack.new_tunings()[0]["state"] in {"JOB_STATE_CANCELLED", "JOB_STATE_CANCELLING"}
    orphan = evaluation(dataset, seed=22, variant="tuned", model=tune.outputs["model"])
    failed = stack.ended(stack.submit("evaluate", orphan).id)
    assert (failed.error or {})["code"] == "input_failed"


def test_an_experiment_continues_without_a_child_that_was_cancelled(
    stack: Stack, dataset: str
) -> None:
    stack.emulator.configure(tuning_seconds=3600)
    spec = {"dataset": dataset, "shots": 0, "seed": 30, "fresh": True}
    job = stack.submit("experiment", spec)
    eventually(lambda: stack.spent("tunings_created") == len(SIZES), what="no tunings")
    tune = next(child for child in stack.children(job.id) if child.kind == "tune")
    stack.cancel(tune.id)
    assert stack.ended(tune.id).state == State.CANCELLED
    stack.emulator.configure(tuning_seconds=0.5)
    variants = stack.variants(stack.succeeded(job.id))
    assert [variant.error for variant in variants.values()] == [None, "cancelled", None]
    assert [variant.state for variant in variants.values()] == ["ready", "failed", "ready"]


def test_tunings_that_fail_at_the_provider_leave_the_other_variants(
    stack: Stack, dataset: str
) -> None:
    stack.emulator.configure(tuning_outcome="bad_file")
    spec = {"dataset": dataset, "shots": 1, "seed": 40, "hyperparameters": {"epochs": 3}}
    variants = stack.variants(stack.succeeded(stack.submit("experiment", spec).id))
    errors = [variant.error for variant in variants.values()]
    assert errors[:2] == [None, None]
    assert all((error or "").startswith("provider_") for error in errors[2:])
    assert len(errors) == 2 + len(SIZES)
    unknown = {"dataset": dataset, "shots": 1, "seed": 41, "base_model": "nonesuch"}
    unknown["allow_unlisted_model"] = True
    failed = stack.ended(stack.submit("experiment", unknown).id)
    assert failed.state == State.FAILED
    assert (failed.error or {})["code"].startswith("provider_")
    assert all(State(child.state) not in OPEN for child in stack.children(failed.id))


def test_a_worker_that_was_stopped_longer_than_its_lease_writes_nothing_more(
    stack: Stack, dataset: str
) -> None:
    stack.emulator.configure(requests_per_minute=600)
    job = stack.submit("evaluate", evaluation(dataset, seed=50))
    until_calls(stack, 10)
    stopped = stack.workers[1]
    eventually(lambda: stop_outside_a_transaction(stack, stopped), what="it always writes")
    unstored = -stored_answers(stack, job) + stack.spent("calls_accepted")
    stack.workers[1] = stack.fleet.start_worker("evaluate", name="second")
    eventually(lambda: stack.job(job.id).attempt == 2, what="no worker took over")
    os.killpg(stopped.pid, signal.SIGCONT)
    ended = stack.succeeded(job.id)
    eventually(
        lambda: b"job_lease_lost" in stopped.log.read_bytes(),
        what="the worker has not noticed",
    )
    stopped.kill()
    assert outcomes(stack, ended) == {"ok": TEST_ROWS}
    assert_events_in_order(stack, ended)
    on_their_way = stack.emulator.ledger()["peak_in_flight"]
    repeated = stack.spent("repeated_prompts")
    assert repeated <= unstored + on_their_way, "a stored answer was paid again"


def stored_answers(stack: Stack, job: Job) -> int:
    with stack.services.sessions.reading() as session:
        rows = session.query(Prediction).filter_by(evaluation_id=job.outputs["evaluation"])
        return rows.count()


def stop_outside_a_transaction(stack: Stack, worker: FleetProcess) -> bool:
    """Stop a worker, unless it holds SQLite's one lock for writing: then all would stop."""
    os.killpg(worker.pid, signal.SIGSTOP)
    with closing(sqlite3.connect(stack.fleet.folder / "test.db", timeout=1)) as connection:
        connection.isolation_level = None
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            os.killpg(worker.pid, signal.SIGCONT)
            return False
        connection.execute("ROLLBACK")
    return True


def test_a_worker_that_is_asked_to_end_leaves_no_job_behind(stack: Stack, dataset: str) -> None:
    stack.emulator.configure(requests_per_minute=1200)
    jobs = [stack.submit("evaluate", evaluation(dataset, seed=seed)) for seed in (60, 61)]
    until_calls(stack, 10)
    stopped = stack.workers[1]
    os.kill(stopped.pid, signal.SIGTERM)
    stack.workers[1] = stack.fleet.start_worker("evaluate", name="third")
    for job in jobs:
        assert outcomes(stack, stack.succeeded(job.id)) == {"ok": TEST_ROWS}
    eventually(lambda: not stopped.is_alive(), what="the worker has not ended")
    assert stack.spent("repeated_prompts") == 0


def test_two_tickers_and_lost_connections_do_no_harm(fresh_stack: Stack) -> None:
    stack = fresh_stack
    stack.fleet.start_ticker()
    stack.emulator.configure(requests_per_minute=1500)
    spec = {"prepare": preparation(), "shots": 0}
    job = stack.submit("experiment", spec)
    for count in (10, 60):
        until_calls(stack, count)
        drop_connections(stack)
    ended = stack.succeeded(job.id)
    assert all(variant.coverage == 1.0 for variant in stack.variants(ended).values())
    assert stack.emulator.ledger()["tunings_created"] == len(SIZES)
    for each in (ended, *stack.children(job.id)):
        assert_events_in_order(stack, each)
    assert "raised unexpected" not in stack.fleet.logs()


def drop_connections(stack: Stack) -> None:
    """End every other connection to the database, where it is a server."""
    engine = stack.services.sessions.engine
    if engine.dialect.name != "postgresql":
        return
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
