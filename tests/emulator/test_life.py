"""How tunings wait, end and fail, in a time that tests can step and speed up."""

from datetime import datetime
from typing import Any

import pytest

from tests.emulator.examples import ask, create, finish, labelled, order, upload
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture(autouse=True)
def _fresh(emulator: EmulatorProcess) -> None:
    emulator.configure(
        tuning_seconds=0,
        tuning_outcome="succeed",
        tuning_outcome_rate=1,
        tuning_quota="wait",
        cancel_outcome="cancel",
        clock_speed=1,
        concurrent_tunings=1,
    )


@pytest.fixture(scope="module")
def uri(emulator: EmulatorProcess) -> str:
    return upload(emulator, labelled(good="GOOD", bad="BAD"), name="life.jsonl")


def get(emulator: EmulatorProcess, name: str) -> dict[str, Any]:
    return emulator.request("GET", f"/v1/{name}")


def reach(emulator: EmulatorProcess, name: str, state: str) -> dict[str, Any]:
    return eventually(
        lambda: (job := get(emulator, name))["state"] == f"JOB_STATE_{state}" and job,
        what=f"{name} did not come to {state}",
    )


def advance(emulator: EmulatorProcess, seconds: float) -> None:
    emulator.request("POST", "/_emulator/clock", {"advance_seconds": seconds})


def seconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def test_one_tuning_runs_and_the_next_is_queued_until_the_clock_is_stepped(
    emulator: EmulatorProcess, uri: str
) -> None:
    emulator.configure(tuning_seconds=DAY)
    first, second = (create(emulator, order(uri))["name"] for _ in range(2))
    reach(emulator, first, "RUNNING")
    waiting = reach(emulator, second, "QUEUED")
    assert waiting["tuningJobState"] == "TUNING_JOB_STATE_WAITING_FOR_QUOTA"
    eventually(lambda: get(emulator, first)["tuningJobState"].endswith("_TUNING"))
    advance(emulator, 0.95 * DAY)
    eventually(lambda: get(emulator, first)["tuningJobState"].endswith("POST_PROCESSING"))
    assert get(emulator, first)["state"] == "JOB_STATE_RUNNING"
    advance(emulator, 0.05 * DAY)
    done = finish(emulator, first)
    assert DAY <= seconds_between(done["startTime"], done["endTime"]) < 1.1 * DAY
    assert "tuningJobState" not in done
    reach(emulator, second, "RUNNING")
    emulator.configure(tuning_seconds=0)
    assert finish(emulator, second)["state"] == "JOB_STATE_SUCCEEDED"


def test_a_faster_clock_shortens_the_wait_and_not_the_reported_time(
    emulator: EmulatorProcess, uri: str
) -> None:
    emulator.configure(tuning_seconds=2 * HOUR, clock_speed=7200)
    done = finish(emulator, create(emulator, order(uri))["name"])
    assert seconds_between(done["startTime"], done["endTime"]) >= 2 * HOUR


def test_beyond_the_quota_a_creation_can_be_refused(emulator: EmulatorProcess, uri: str) -> None:
    from google.api_core.exceptions import TooManyRequests
    from google.cloud import aiplatform_v1 as v1

    from tests.emulator.clients import rest_client

    emulator.configure(tuning_seconds=HOUR, tuning_quota="refuse")
    running = create(emulator, order(uri))["name"]
    client = rest_client(emulator, v1.GenAiTuningServiceClient)
    spec = v1.SupervisedTuningSpec(training_dataset_uri=uri)
    job = v1.TuningJob(base_model="gemini-2.5-flash", supervised_tuning_spec=spec)
    parent = "projects/lab/locations/us-central1"
    with pytest.raises(TooManyRequests, match="ConcurrentTuningJobs"):
        client.create_tuning_job(parent=parent, tuning_job=job, timeout=300)
    client.transport.close()
    emulator.configure(tuning_seconds=0)
    finish(emulator, running)


@pytest.mark.parametrize(
    ("outcome", "state", "code", "has_model", "has_endpoint"),
    [
        ("bad_file", "FAILED", 3, False, False),
        ("error_before_upload", "FAILED", 13, False, False),
        ("error_after_upload", "FAILED", 13, True, False),
        ("partially_succeed", "PARTIALLY_SUCCEEDED", 13, True, True),
        ("expire", "EXPIRED", 4, False, False),
    ],
)
def test_a_tuning_ends_as_ordered(
    emulator: EmulatorProcess,
    uri: str,
    outcome: str,
    state: str,
    code: int,
    has_model: bool,  # noqa: FBT001  (a column of the table)
    has_endpoint: bool,  # noqa: FBT001  (a column of the table)
) -> None:
    emulator.configure(tuning_outcome=outcome)
    name = create(emulator, order(uri))["name"]
    done = reach(emulator, name, state)
    assert done["error"]["code"] == code
    tuned = done.get("tunedModel", {})
    assert (bool(tuned.get("model")), bool(tuned.get("endpoint"))) == (has_model, has_endpoint)
    if has_endpoint:
        assert ask(emulator, tuned["endpoint"], "note 3: a splendid and happy day") == "GOOD"
    line = emulator.ledger()["tunings"][-1]
    assert line["name"] == name
    assert (line["trained_tokens"] > 0) == has_model


def test_a_rate_of_failures_strikes_the_same_tunings_again(
    emulator: EmulatorProcess, uri: str
) -> None:
    def states() -> list[str]:
        emulator.reset()
        emulator.configure(tuning_seconds=0, tuning_outcome="expire", tuning_outcome_rate=0.5)
        emulator.configure(models={"gemini-2.5-pro": {"tuning_outcome": "bad_file"}})
        again = upload(emulator, labelled(good="GOOD", bad="BAD"), name="life.jsonl")
        models = ["gemini-2.5-flash"] * 6 + ["gemini-2.5-pro"] * 2
        names = [create(emulator, order(again, model=model))["name"] for model in models]
        ended = "SUCCEEDED", "EXPIRED", "FAILED"

        def settled() -> list[str]:
            found = [get(emulator, name)["state"].removeprefix("JOB_STATE_") for name in names]
            return found if set(found) <= set(ended) else []

        return eventually(settled)

    first = states()
    assert set(first[:6]) == {"SUCCEEDED", "EXPIRED"}
    assert "EXPIRED" not in first[6:]
    assert states() == first


def test_a_cancellation_that_comes_too_late_is_accepted_and_the_tuning_succeeds(
    emulator: EmulatorProcess,
) -> None:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="late.jsonl")
    emulator.configure(tuning_seconds=HOUR, cancel_outcome="succeed")
    name = create(emulator, order(uri))["name"]
    reach(emulator, name, "RUNNING")
    emulator.request("POST", f"/v1/{name}:cancel", {})
    done = finish(emulator, name)
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert done["tunedModel"]["endpoint"]
    refused = plain_http.post(f"{emulator.url}/v1/{name}:cancel", json={}, timeout=300)
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"


def test_cancelling_takes_the_time_it_is_given(emulator: EmulatorProcess) -> None:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="slow.jsonl")
    emulator.configure(tuning_seconds=HOUR, cancel_seconds=HOUR)
    name = create(emulator, order(uri))["name"]
    reach(emulator, name, "RUNNING")
    emulator.request("POST", f"/v1/{name}:cancel", {})
    assert get(emulator, name)["state"] == "JOB_STATE_CANCELLING"
    advance(emulator, HOUR)
    assert reach(emulator, name, "CANCELLED")["error"]["code"] == 1


@pytest.mark.parametrize(
    "document", [{}, {"advance_seconds": -1}, {"advance_seconds": "1"}, {"advance_seconds": 1e300}]
)
def test_the_clock_does_not_go_back_or_out_of_range(
    emulator: EmulatorProcess, document: dict[str, Any]
) -> None:
    response = plain_http.post(f"{emulator.url}/_emulator/clock", json=document, timeout=300)
    assert response.status_code == 400
    assert emulator.request("GET", "/_emulator/clock")["speed"] == 1


def test_a_tuning_and_a_call_have_their_list_price_in_the_ledger(
    emulator: EmulatorProcess,
) -> None:
    emulator.reset()
    emulator.configure(tuning_seconds=0)
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="price.jsonl")
    done = finish(emulator, create(emulator, order(uri, epochs=3))["name"])
    stats = done["tuningDataStats"]["supervisedTuningDataStats"]
    ask(emulator, done["tunedModel"]["endpoint"], "note 3: a splendid and happy day")
    ledger = emulator.ledger()
    line = ledger["tunings"][0]
    assert line["trained_tokens"] == 3 * int(stats["totalBillableTokenCount"])
    assert line["cost_usd"] == ledger["tuning_cost_usd"] == line["trained_tokens"] * 5 / 1e6
    use = ledger["by_model"][done["tunedModel"]["endpoint"]]
    assert use["cost_usd"] == pytest.approx(
        (use["prompt_tokens"] * 0.30 + use["output_tokens"] * 2.50) / 1e6
    )
    assert ledger["prices"]["gemini-2.5-flash"]["source"]
    assert sum(each["accepted"] for each in ledger["per_second"]) == 1
