"""Evaluations in the batch lane, through real workers: the same answers, sent and paid for once."""

from typing import Any

import pytest

from service.clock import utc_now
from service.evaluation.models import BatchRun, Evaluation, Prediction
from service.evaluation.queries import get_evaluation
from service.inference.models import Usage
from service.jobs.lifecycle import State
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

ROWS = 40


@pytest.fixture(scope="module")
def dataset(running_stack: Stack) -> str:
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": 200, "seed": 7},
        "train_sizes": [10],
        "test_size": ROWS,
    }
    return running_stack.succeeded(running_stack.submit("prepare", spec).id).outputs["dataset"]


@pytest.fixture(autouse=True)
def _defaults(stack: Stack) -> None:
    stack.emulator.configure(batch_seconds=0, batch_error_rate=0)


def submit(stack: Stack, dataset: str, *, seed: int, **more: Any) -> Job:
    """Another seed makes other requests, which were never sent before."""
    spec = {"dataset": dataset, "variant": "zero_shot", "seed": seed, "lane": "batch", **more}
    return stack.submit("evaluate", spec)


def evaluation(stack: Stack, job: Job) -> Evaluation:
    row, _ = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    return row


def predictions(stack: Stack, job: Job) -> dict[str, tuple[str, str, int, int]]:
    with stack.services.sessions.reading() as session:
        rows = session.query(Prediction).filter_by(evaluation_id=job.outputs["evaluation"]).all()
    return {
        row.example_id: (row.outcome, row.text, row.prompt_tokens, row.output_tokens)
        for row in rows
    }


def lanes_paid(stack: Stack, job: Job) -> dict[str, tuple[int, int]]:
    """Return requests and nano-dollars by lane, as the ledger of costs has them."""
    with stack.services.sessions.reading() as session:
        rows = session.query(Usage).filter_by(job_id=job.id).all()
    lanes = {row.lane for row in rows}
    return {
        lane: (
            sum(row.requests for row in rows if row.lane == lane),
            sum(row.cost_nano or 0 for row in rows if row.lane == lane),
        )
        for lane in lanes
    }


def batches(stack: Stack, job: Job) -> list[dict[str, Any]]:
    """Return what the provider has seen of a job's evaluation."""
    settings = stack.services.settings
    location = stack.services.catalogue.serving_location(settings.base_model)
    place = f"projects/{settings.google_cloud_project}/locations/{location}"
    listed = stack.emulator.request("GET", f"/v1/{place}/batchPredictionJobs")
    label = job.outputs["evaluation"]
    return [
        each
        for each in listed.get("batchPredictionJobs", [])
        if each["labels"]["tunecurve-run"] == label
    ]


def until_sent(stack: Stack, job: Job) -> None:
    eventually(lambda: batches(stack, job), pause=0.02, what="no batch was sent")


def test_a_batch_answers_as_calls_do_for_half_the_price(stack: Stack, dataset: str) -> None:
    batch = stack.succeeded(submit(stack, dataset, seed=1, cache=False).id)
    assert stack.spent("calls_accepted") == 0
    online = stack.succeeded(submit(stack, dataset, seed=1, lane="online", cache=False).id)
    assert stack.spent("calls_accepted") == ROWS
    assert predictions(stack, batch) == predictions(stack, online)
    assert len(predictions(stack, batch)) == ROWS
    assert evaluation(stack, batch).synthetic
    assert (evaluation(stack, batch).lane, evaluation(stack, online).lane) == ("batch", "online")
    ((lane, (requests, cost)),) = lanes_paid(stack, batch).items()
    assert (lane, requests) == ("batch", ROWS)
    assert cost == pytest.approx(lanes_paid(stack, online)["online"][1] / 2, rel=0.01)


def test_rows_that_fail_alone_are_asked_online(stack: Stack, dataset: str) -> None:
    stack.emulator.configure(batch_error_rate=0.3)
    job = stack.succeeded(submit(stack, dataset, seed=2).id)
    paid = lanes_paid(stack, job)
    assert paid["batch"][0] + paid["online"][0] == ROWS
    assert stack.spent("calls_accepted") == paid["online"][0] > 0
    assert dict(evaluation(stack, job).outcomes) == {"ok": ROWS}
    assert len(batches(stack, job)) == 1


def test_what_a_batch_answered_is_remembered(stack: Stack, dataset: str) -> None:
    stack.succeeded(submit(stack, dataset, seed=3).id)
    again = stack.succeeded(submit(stack, dataset, seed=3).id)
    online = stack.succeeded(submit(stack, dataset, seed=3, lane="online").id)
    assert batches(stack, again) == []
    assert stack.spent("calls_accepted") == 0
    assert lanes_paid(stack, again) == lanes_paid(stack, online) == {}
    assert predictions(stack, again) == predictions(stack, online)


def test_a_worker_killed_between_sending_and_polling_sends_no_second_batch(
    stack: Stack, dataset: str
) -> None:
    stack.emulator.configure(batch_seconds=3600)
    job = submit(stack, dataset, seed=4)
    until_sent(stack, job)
    stack.workers[1].kill()
    with stack.services.sessions.transaction() as session:
        # Where the kill came late, as if it had come before the answer was written down.
        row = session.get_one(BatchRun, job.outputs["evaluation"])
        row.state, row.resource_name, row.next_poll_at = "intended", None, None
        held = session.get_one(Job, job.id)
        held.state, held.lease_until = State.RUNNING.value, utc_now()
    stack.workers[1] = stack.fleet.start_worker("evaluate", name="second")
    stack.emulator.configure(batch_seconds=0)
    ended = stack.succeeded(job.id)
    assert len(batches(stack, job)) == 1
    assert dict(evaluation(stack, ended).outcomes) == {"ok": ROWS}
    assert stack.spent("calls_accepted") == 0


def test_a_cancel_stops_the_batch_at_the_provider(stack: Stack, dataset: str) -> None:
    stack.emulator.configure(batch_seconds=600)
    job = submit(stack, dataset, seed=5)
    until_sent(stack, job)
    eventually(lambda: stack.job(job.id).state == State.WAITING, what="it does not wait")
    stack.cancel(job.id)
    ended = stack.ended(job.id)
    assert ended.state == State.CANCELLED
    assert batches(stack, job)[0]["state"] == "JOB_STATE_CANCELLED"
    assert lanes_paid(stack, job).keys() <= {"batch"}
    assert stack.spent("calls_accepted") == 0


def test_lane_auto_takes_the_batch_and_says_why(stack: Stack, dataset: str) -> None:
    job = stack.succeeded(submit(stack, dataset, seed=6, lane="auto").id)
    row = evaluation(stack, job)
    assert row.lane == "batch"
    assert row.lane_reason == "a batch costs 50% of calls online, and there is no deadline"
    hasty = stack.succeeded(submit(stack, dataset, seed=7, lane="auto", deadline_hours=1).id)
    row = evaluation(stack, hasty)
    assert row.lane == "online"
    assert "the deadline is 1" in (row.lane_reason or "")
    assert batches(stack, hasty) == []


def test_a_tuned_gemini_3_goes_online_and_says_why(stack: Stack, dataset: str) -> None:
    spec = {"dataset": dataset, "train_size": 10, "base_model": "gemini-3.5-flash"}
    model = stack.succeeded(stack.submit("tune", spec).id).outputs["model"]
    tuned = {"variant": "tuned", "model": model}
    job = stack.succeeded(submit(stack, dataset, seed=8, lane="auto", **tuned).id)
    row = evaluation(stack, job)
    assert row.lane == "online"
    assert row.lane_reason == "tuned gemini-3.5-flash has no batch prediction"
    assert stack.spent("calls_accepted") == ROWS
    refused = stack.ended(submit(stack, dataset, seed=9, **tuned).id)
    assert (refused.error or {})["code"] == "lane_not_available"
