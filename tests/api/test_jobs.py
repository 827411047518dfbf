"""Jobs over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import chain
from typing import Any

import httpx2
import pytest

from service.jobs.claims import claim_job
from service.jobs.leases import LeasedRun
from tests.api.server import PREPARE, Api, Caller


def _submitted(answer: httpx2.Response) -> str:
    job_id: str = answer.json()["id"]
    return job_id


def test_a_submission_is_accepted_while_the_broker_is_away(caller: Caller) -> None:
    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": PREPARE, "labels": {"a": "b"}})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["ETag"].startswith('"1-')
    assert answer.headers["Retry-After"] == "2"
    assert job["object"] == "job"
    assert (job["kind"], job["state"], job["labels"]) == ("prepare", "queued", {"a": "b"})
    assert job["outputs"]["dataset"].startswith("ds_")
    assert job["spec"]["test_size"] == 30


def test_a_job_can_be_looked_at_and_the_same_version_is_not_sent_again(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)

    first = caller.get(f"/v1/jobs/{job['id']}")
    again = caller.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": first.headers["ETag"]})

    assert first.json() == job
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Retry-After"] == "2"


def test_progress_changes_the_etag(api: Api, caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)
    claimed = claim_job(
        job["id"], sessions=api.services.sessions, lease_seconds=30, attempts_limit=5
    )
    assert claimed
    before = caller.get(f"/v1/jobs/{job['id']}")

    with LeasedRun(*claimed, sessions=api.services.sessions, lease_seconds=30) as run:
        run.report(7, 10, unit="items", stage="loading")
    after = caller.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": before.headers["ETag"]})

    assert after.status_code == 200
    assert after.json()["progress"]["done"] == 7


def test_the_same_key_and_body_give_the_same_job(caller: Caller) -> None:
    body = {"kind": "prepare", "spec": PREPARE}

    first = caller.post("/v1/jobs", body, headers={"Idempotency-Key": "once"})
    again = caller.post("/v1/jobs", body, headers={"Idempotency-Key": '"once"'})

    assert (first.status_code, again.status_code) == (202, 200)
    assert _submitted(first) == _submitted(again)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(caller.get("/v1/jobs").json()["data"]) == 1


def test_a_key_used_again_with_another_body_is_refused(caller: Caller) -> None:
    headers = {"Idempotency-Key": "once"}
    caller.post("/v1/jobs", {"kind": "prepare", "spec": PREPARE}, headers=headers)

    answer = caller.post(
        "/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, "seed": 2}}, headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_another_projects_use_of_a_key_does_not_matter(api: Api, caller: Caller) -> None:
    body, headers = {"kind": "prepare", "spec": PREPARE}, {"Idempotency-Key": "once"}

    mine = caller.post("/v1/jobs", body, headers=headers)
    theirs = api.caller("other").post("/v1/jobs", body, headers=headers)

    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert _submitted(mine) != _submitted(theirs)


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 129, "caf\u00e9".encode()])
def test_a_malformed_idempotency_key_is_refused(caller: Caller, key: str | bytes) -> None:
    answer = caller.post(
        "/v1/jobs", {"kind": "prepare", "spec": PREPARE}, headers={"Idempotency-Key": key}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")


def test_many_at_once_with_one_key_make_one_job(caller: Caller) -> None:
    def submit(_number: int) -> httpx2.Response:
        return caller.post(
            "/v1/jobs",
            {"kind": "prepare", "spec": PREPARE},
            headers={"Idempotency-Key": "together"},
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({_submitted(answer) for answer in answers}) == 1


def test_lists_are_paged_newest_first(caller: Caller) -> None:
    ids = [caller.submit("prepare", {**PREPARE, "seed": seed})["id"] for seed in range(5)]

    first = caller.get("/v1/jobs", params={"limit": 2, "kind": "prepare"}).json()
    second = caller.get(first["next"]).json()
    third = caller.get(second["next"]).json()

    pages = [[job["id"] for job in page["data"]] for page in (first, second, third)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [*chain(*pages)] == ids[::-1]
    assert "kind=prepare" in second["next"]
    assert (third["has_more"], third["next"]) == (False, None)


def test_lists_are_filtered_by_state_kind_and_label(caller: Caller) -> None:
    red = caller.submit("prepare", PREPARE, labels={"team": "red", "a.b": "tuned@50"})
    blue = caller.submit("prepare", PREPARE, labels={"team": "blue"})
    polled = caller.submit("poll", {"resource_name": "projects/p/locations/l/tuningJobs/1"})
    caller.post(f"/v1/jobs/{blue['id']}/cancel")

    def found(**filters: str) -> set[str]:
        answer = caller.get("/v1/jobs", params=filters)
        assert answer.status_code == 200, answer.text
        return {job["id"] for job in answer.json()["data"]}

    assert found(label="team:red") == {red["id"]}
    assert found(label="a.b:tuned@50") == {red["id"]}
    assert found(kind="poll") == {polled["id"]}
    assert found(state="cancelled") == {blue["id"]}
    assert found(parent=red["id"]) == set()


def test_a_queued_job_is_cancelled_at_once_and_again_without_harm(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)

    first = caller.post(f"/v1/jobs/{job['id']}/cancel")
    again = caller.post(f"/v1/jobs/{job['id']}/cancel")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["state"] == again.json()["state"] == "cancelled"
    assert "Retry-After" not in first.headers
    assert "cancel" not in first.json()["links"]


def test_a_running_job_is_asked_to_stop(api: Api, caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)
    assert claim_job(job["id"], sessions=api.services.sessions, lease_seconds=30, attempts_limit=5)

    answer = caller.post(f"/v1/jobs/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    assert answer.headers["Retry-After"] == "2"


def test_a_project_has_a_limit_of_open_jobs(api: Api, caller: Caller) -> None:
    for seed in range(api.services.settings.open_jobs_limit):
        caller.submit("prepare", {**PREPARE, "seed": seed})

    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": PREPARE})

    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0
    api.caller("other").submit("prepare", PREPARE)


def test_an_unknown_input_is_reported_with_its_place(caller: Caller) -> None:
    spec = {"dataset": f"ds_{'0' * 26}", "train_size": 20}

    answer = caller.post("/v1/jobs", {"kind": "tune", "spec": spec})

    assert (answer.status_code, answer.json()["code"]) == (404, "input_not_found")
    assert answer.json()["errors"][0]["pointer"] == "/spec/dataset"
    assert caller.get("/v1/jobs").json()["data"] == []


def test_a_tune_job_may_name_a_dataset_that_is_still_to_be_made(caller: Caller) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]

    job = caller.submit("tune", {"dataset": dataset, "train_size": 20})

    assert job["outputs"]["model"].startswith("model_")


# ------------------------------------------------------------------------------------ dry runs


def test_a_dry_run_of_an_experiment_lists_every_job_and_creates_none(caller: Caller) -> None:
    body: dict[str, Any] = {"kind": "experiment", "spec": {"prepare": PREPARE, "shots": 2}}

    answer = caller.post("/v1/jobs?dry_run=true", body)

    plan = answer.json()
    assert answer.status_code == 200
    assert [(job["kind"], job["label"]) for job in plan["would_create"]] == [
        ("experiment", "experiment"),
        ("prepare", "dataset"),
        ("evaluate", "zero-shot"),
        ("evaluate", "few-shot (2)"),
        ("tune", "tuned@20"),
        ("evaluate", "tuned@20"),
        ("tune", "tuned@40"),
        ("evaluate", "tuned@40"),
    ]
    assert plan["estimate"]["requests"] == 4 * PREPARE["test_size"]
    assert plan["estimate"]["training_tokens"] > 0
    cost = {name: Decimal(plan["cost"][name]) for name in ("low", "amount", "high")}
    assert 0 < cost["low"] <= cost["amount"] <= cost["high"]
    assert (Decimal(plan["known"]), plan["unpriced"]) == (cost["amount"], [])
    codes = [warning["code"] for warning in plan["warnings"]]
    assert "cost_not_estimated" not in codes
    body["spec"] = {"prepare": {**PREPARE, "train_sizes": [20]}, "shots": 2}
    without_the_larger_tuning = caller.post("/v1/jobs?dry_run=true", body).json()["cost"]
    assert Decimal(without_the_larger_tuning["high"]) < cost["low"]
    for path in ("jobs", "experiments", "events"):
        assert caller.get(f"/v1/{path}").json()["data"] == []


def test_a_dry_run_meets_the_errors_of_a_real_one(caller: Caller) -> None:
    spec = {"dataset": f"ds_{'0' * 26}", "variant": "zero_shot"}

    answer = caller.post("/v1/jobs?dry_run=true", {"kind": "evaluate", "spec": spec})

    assert (answer.status_code, answer.json()["code"]) == (404, "input_not_found")


def test_a_dry_run_on_a_dataset_to_come_says_what_is_not_known(caller: Caller) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]

    plan = caller.post(
        "/v1/jobs?dry_run=true", {"kind": "experiment", "spec": {"dataset": dataset}}
    ).json()

    assert set(plan["estimate"].values()) == {None}
    assert plan["warnings"][0]["code"] == "dataset_not_ready"


@pytest.mark.parametrize("kind", ["prepare", "poll"])
def test_a_dry_run_of_one_job_plans_one(caller: Caller, kind: str) -> None:
    specs = {
        "prepare": PREPARE,
        "poll": {"resource_name": "projects/p/locations/l/tuningJobs/1"},
    }

    plan = caller.post("/v1/jobs?dry_run=true", {"kind": kind, "spec": specs[kind]}).json()

    assert plan["would_create"] == [{"kind": kind, "label": kind}]
