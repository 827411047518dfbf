"""Prices, budgets and costs over HTTP: exact amounts as decimal strings, on both databases."""

import re
from typing import Any

import pytest

from service.catalogue.prices import UsageTotals
from service.inference.ledger import record_usage
from service.jobs.claims import claim_job, finish_job
from service.jobs.lifecycle import State
from service.projects.schemas import Scope
from tests.api.outputs import prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, Json

BUDGET = {"amount": "1.50", "currency": "USD"}
FREE = {"requests": 0, "prompt_tokens": 0, "output_tokens": 0, "training_tokens": 0}


def evaluation(dataset: str, **spec: Any) -> Json:
    return {"kind": "evaluate", "spec": {"dataset": dataset, "variant": "zero_shot", **spec}}


def use(api: Api, caller: Caller, job: str, used: UsageTotals, *, base_model: str = "m") -> None:
    with api.services.sessions.transaction() as session:
        record_usage(session, used, project_id=caller.project_id, job_id=job, base_model=base_model)


def test_a_dry_run_tells_tokens_and_cost_of_an_evaluation(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)["id"]

    plan = caller.post("/v1/jobs?dry_run=true", evaluation(dataset)).json()

    price = api.services.catalogue.price_of_calls("gemini-3.1-flash-lite", location="us")
    use_ = plan["estimate"]
    assert price is not None
    assert use_["requests"] == PREPARE["test_size"]
    assert use_["prompt_tokens"] > 50 * use_["requests"]  # the instruction alone is longer
    nano = price.cost(prompt_tokens=use_["prompt_tokens"], output_tokens=use_["output_tokens"])
    assert plan["cost"]["currency"] == "USD"
    assert float(plan["cost"]["amount"]) == pytest.approx(nano / 1e9, rel=1e-3)
    assert plan["warnings"] == []


def test_a_dry_run_of_an_experiment_adds_up_its_tunings(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    spec = {"dataset": dataset, "hyperparameters": {"epochs": 2}}

    body = {"kind": "experiment", "spec": spec, "budget": {"amount": "0.000001"}}
    plan = caller.post("/v1/jobs?dry_run=true", body).json()
    longer = {**spec, "hyperparameters": {}}
    vague = caller.post("/v1/jobs?dry_run=true", {**body, "spec": longer}).json()

    assert plan["estimate"]["training_tokens"] * 15 < vague["estimate"]["training_tokens"]
    low, amount, high = (float(vague["cost"][name]) for name in ("low", "amount", "high"))
    assert 0 < low < amount < high
    assert float(plan["cost"]["amount"]) < float(vague["cost"]["amount"])
    assert [each["code"] for each in plan["warnings"]] == ["budget_below_estimate"]
    assert vague["warnings"][0]["code"] == "epochs_assumed"


@pytest.mark.parametrize("kind", ["tune", "experiment"])
def test_a_budget_that_is_sure_to_refuse_a_tuning_is_refused_with_what_is_needed(
    api: Api, caller: Caller, kind: str
) -> None:
    dataset = prepared_dataset(api, caller)
    spec = {"dataset": dataset["id"], "hyperparameters": {"epochs": 4}}
    spec |= {"train_size": int(min(dataset["training_files"]))} if kind == "tune" else {}
    body = {"kind": kind, "spec": spec, "budget": {"amount": "0.000001"}}

    problem = problem_of(caller.post("/v1/jobs", body), 422, "budget_too_small")

    needed = re.findall(r"up to ([0-9.]+) USD", problem["detail"])[0]
    assert problem["errors"][0]["pointer"] == "/budget"
    assert caller.post("/v1/jobs", {**body, "budget": {"amount": needed}}).status_code == 202


def test_a_model_without_a_price_costs_null_and_takes_no_budget(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    body = evaluation(dataset, base_model="gemini-9", allow_unlisted_model=True)

    plan = caller.post("/v1/jobs?dry_run=true", body).json()
    problem = problem_of(caller.post("/v1/jobs", {**body, "budget": BUDGET}), 422, "price_unknown")

    assert plan["cost"] is None
    assert plan["warnings"][0]["code"] == "price_unknown"
    assert problem["errors"][0]["pointer"] == "/budget"
    assert caller.post("/v1/jobs", body).status_code == 202


def test_a_dry_run_tells_the_known_part_where_the_rest_has_no_price(
    api: Api, caller: Caller
) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    spec = {"dataset": dataset, "base_model": "gemini-3.5-flash-lite", "shots": 0}
    base = evaluation(dataset, base_model="gemini-3.5-flash-lite")

    plan = caller.post("/v1/jobs?dry_run=true", {"kind": "experiment", "spec": spec}).json()
    calls = caller.post("/v1/jobs?dry_run=true", base).json()

    assert plan["cost"] is None
    assert plan["unpriced"] == ["gemini-3.5-flash-lite"]
    assert plan["known"] == calls["known"] == calls["cost"]["amount"] != "0.00"
    assert calls["unpriced"] == []
    assert plan["estimate"]["training_tokens"] > 0
    assert {"price_unknown", "cost_not_estimated"} <= {each["code"] for each in plan["warnings"]}


@pytest.mark.parametrize("kind", ["tune", "experiment"])
def test_training_without_a_price_takes_no_budget(api: Api, caller: Caller, kind: str) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]
    spec = {"dataset": dataset, "base_model": "gemini-3.5-flash-lite"}
    spec |= {"train_size": 20} if kind == "tune" else {}

    answer = caller.post("/v1/jobs", {"kind": kind, "spec": spec, "budget": BUDGET})

    problem_of(answer, 422, "price_unknown")


@pytest.mark.parametrize(
    "budget",
    [
        {"amount": "0"},
        {"amount": "-1"},
        {"amount": "1e3"},
        {"amount": "0.0000000001"},
        {"amount": 1.5},
        {"amount": "1", "currency": "EUR"},
        "1.50",
    ],
    ids=["nothing", "negative", "exponent", "too fine", "a float", "euros", "bare"],
)
def test_a_budget_that_is_no_amount_of_dollars_is_refused(caller: Caller, budget: Any) -> None:
    body = {"kind": "experiment", "spec": {"prepare": PREPARE}, "budget": budget}

    problem = problem_of(caller.post("/v1/jobs", body), 422, "validation_failed")

    assert problem["errors"][0]["pointer"].startswith("/budget")


def test_a_job_shows_its_budget_and_the_same_key_with_another_budget_is_refused(
    caller: Caller,
) -> None:
    body = {"kind": "experiment", "spec": {"prepare": PREPARE}, "budget": BUDGET}
    key = {"Idempotency-Key": "one"}

    first = caller.post("/v1/jobs", body, headers=key).json()
    again = caller.post("/v1/jobs", body, headers=key)
    other = {**body, "budget": {"amount": "1.51"}}

    assert first["budget"] == BUDGET
    assert first["cost"]["reserved"] == "0.00"
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    problem_of(caller.post("/v1/jobs", other, headers=key), 422, "idempotency_key_reused")


def test_a_running_job_shows_what_it_has_used_so_far(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    job = caller.post("/v1/jobs", evaluation(dataset)).json()
    seen = caller.get(f"/v1/jobs/{job['id']}").headers["ETag"]
    assert job["cost"] | FREE == job["cost"]
    assert float(job["cost"]["estimated"]) > 0

    claim_job(job["id"], sessions=api.services.sessions, lease_seconds=60, attempts_limit=5)
    use(api, caller, job["id"], UsageTotals(requests=3, prompt_tokens=10, known_nano=1_250_000))
    answer = caller.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": seen})

    assert answer.status_code == 200
    cost = answer.json()["cost"]
    assert (cost["requests"], cost["prompt_tokens"], cost["actual"]) == (3, 10, "0.00125")
    assert cost["estimated"] == job["cost"]["estimated"]
    assert cost["reserved"] is None
    assert caller.get("/v1/jobs").json()["data"][0]["cost"] == cost


def test_a_job_that_has_ended_tells_its_cost_and_so_does_its_event(
    api: Api, caller: Caller
) -> None:
    job = caller.submit("prepare", PREPARE)
    sessions = api.services.sessions
    claimed = claim_job(job["id"], sessions=sessions, lease_seconds=60, attempts_limit=5)
    assert claimed is not None
    cost = {"requests": 2, "actual": "0.75"}
    finish_job(job["id"], State.SUCCEEDED, token=claimed[1], sessions=sessions, cost=cost)

    shown = caller.get(f"/v1/jobs/{job['id']}").json()["cost"]
    events = caller.get(f"/v1/events?job={job['id']}").json()["data"]
    assert (shown["requests"], shown["actual"], shown["estimated"]) == (2, "0.75", "0.00")
    assert events[-1]["type"] == "job.succeeded"
    assert events[-1]["data"]["cost"] == shown
    assert "cost" not in events[0]["data"]


def test_a_job_whose_attempts_are_used_up_tells_what_they_have_cost(
    api: Api, caller: Caller
) -> None:
    job = caller.submit("prepare", PREPARE)
    use(api, caller, job["id"], UsageTotals(requests=1, known_nano=5))
    sessions = api.services.sessions

    assert not claim_job(
        job["id"],
        sessions=sessions,
        lease_seconds=60,
        attempts_limit=0,
        cost_of=lambda session, job_id: {"actual": "0.000000005"},
    )

    shown = caller.get(f"/v1/jobs/{job['id']}").json()
    assert (shown["state"], shown["cost"]["actual"]) == ("failed", "0.000000005")


def test_a_projects_usage_is_reported_by_day_and_model(api: Api, caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    used = UsageTotals(requests=1, prompt_tokens=100, output_tokens=10, known_nano=55_000)
    for base_model in ("a", "b", "a"):
        use(api, caller, job, used, base_model=base_model)

    reported = caller.get("/v1/usage").json()

    assert [(day["base_model"], day["requests"], day["cost"]) for day in reported["days"]] == [
        ("a", 2, "0.00011"),
        ("b", 1, "0.000055"),
    ]
    assert reported["total"]["cost"] == "0.000165"
    assert reported["total"]["prompt_tokens"] == 300
    assert api.caller("other").get("/v1/usage").json()["days"] == []


def test_usage_without_a_price_has_no_sum(api: Api, caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    claim_job(job, sessions=api.services.sessions, lease_seconds=60, attempts_limit=5)
    use(api, caller, job, UsageTotals(requests=1, known_nano=1), base_model="priced")
    use(api, caller, job, UsageTotals(requests=1, unpriced=("unpriced",)), base_model="unpriced")

    reported = caller.get("/v1/usage").json()

    assert [day["cost"] for day in reported["days"]] == ["0.000000001", None]
    assert reported["total"]["cost"] is None
    assert (reported["total"]["known"], reported["total"]["unpriced"]) == (
        "0.000000001",
        ["unpriced"],
    )
    assert [day["unpriced"] for day in reported["days"]] == [[], ["unpriced"]]
    assert reported["total"]["requests"] == 2
    cost = caller.get(f"/v1/jobs/{job}").json()["cost"]
    assert (cost["actual"], cost["known"], cost["unpriced"]) == (None, "0.000000001", ["unpriced"])


def test_what_the_emulator_answered_stands_apart_and_is_marked_in_every_sum(
    api: Api, caller: Caller
) -> None:
    job = caller.submit("prepare", PREPARE)["id"]
    claim_job(job, sessions=api.services.sessions, lease_seconds=60, attempts_limit=5)
    use(api, caller, job, UsageTotals(requests=1, known_nano=5))
    use(api, caller, job, UsageTotals(requests=2, known_nano=7, synthetic=True))

    reported = caller.get("/v1/usage").json()

    rows = [(day["requests"], day["synthetic"], day["synthetic_cost"]) for day in reported["days"]]
    assert rows == [(1, False, "0.00"), (2, True, "0.000000007")]
    assert reported["total"]["synthetic"]
    assert (reported["total"]["known"], reported["total"]["synthetic_cost"]) == (
        "0.000000012",
        "0.000000007",
    )
    assert caller.get(f"/v1/jobs/{job}").json()["cost"]["synthetic"]


def test_usage_needs_the_read_scope_and_a_period_that_makes_sense(api: Api) -> None:
    problem_of(api.caller("default", Scope.WRITE).get("/v1/usage"), 403, "insufficient_scope")
    reader = api.caller("default", Scope.READ)
    for query in ("first=2026-11-02&last=2026-11-01", "first=2024-01-01&last=2026-01-01"):
        problem_of(reader.get(f"/v1/usage?{query}"), 422, "period_not_valid")


def test_the_prices_are_shown_with_source_and_date(caller: Caller) -> None:
    prices = {each["base_model"]: each for each in caller.get("/v1/prices").json()["data"]}

    assert float(prices["gemini-3.1-flash-lite"]["output"]) == 1.5
    assert prices["gemini-3.5-flash-lite"]["training"] is None
    assert all(each["source"] and each["as_of"] for each in prices.values())
