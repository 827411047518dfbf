"""Submissions that are bound to a plan, and that wait for approval."""

from typing import Any

import pytest

from service.datasets.models import Dataset
from tests.api.outputs import prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import Api, Caller

SWEEP = {"preset": "five_starting_points", "epochs": [2, 4], "adapter_sizes": [1]}


def _sweep(dataset: str, **more: Any) -> dict[str, Any]:
    return {"kind": "experiment", "spec": {"dataset": dataset, "sweep": SWEEP, **more}}


def _planned(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    plan: dict[str, Any] = caller.post("/v1/jobs?dry_run=true", body).json()
    return plan


def test_the_plan_of_a_sweep_tells_cost_and_hours_of_every_cell(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)

    plan = _planned(caller, _sweep(dataset["id"]))

    cells = [each for each in plan["variants"] if each["name"].startswith("tuned")]
    assert len(cells) == 7 * len(dataset["training_files"])  # 5 and 2 without a multiplier
    for cell in cells:
        assert float(cell["cost"]["low"]) <= float(cell["cost"]["high"])
        assert 0 < cell["hours"]["low"] <= cell["hours"]["high"]
    low = sum(float(each["cost"]["low"]) for each in plan["variants"])
    assert low == pytest.approx(float(plan["cost"]["low"]))
    tunings = [job for job in plan["would_create"] if job["kind"] == "tune"]
    assert len(tunings) == len(cells)
    assert plan["hours"]["high"] == pytest.approx(
        sum(cell["hours"]["high"] for cell in cells), abs=0.1
    )


def test_a_job_bound_to_its_plan_is_accepted_and_refused_once_the_plan_has_changed(
    api: Api, caller: Caller
) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    body = _sweep(dataset)
    plan = _planned(caller, body)
    bound = body | {"plan": plan["hash"]}

    other = problem_of(
        caller.post("/v1/jobs", _sweep(dataset, shots=0) | {"plan": plan["hash"]}),
        409,
        "plan_changed",
    )
    accepted = caller.post("/v1/jobs", bound)
    with api.services.sessions.transaction() as session:
        row = session.get_one(Dataset, dataset)
        longer = {size: {**cost} for size, cost in row.report["lengths"].items()}
        longer["text"]["p50"] *= 3
        row.report = {**row.report, "lengths": longer}
    dearer = problem_of(caller.post("/v1/jobs", bound), 409, "plan_changed")

    assert "what is asked differs" in other["detail"]
    assert accepted.status_code == 202
    assert "cost or hours have changed" in dearer["detail"]
    assert "what is asked" not in dearer["detail"]
    assert len(caller.get("/v1/experiments").json()["data"]) == 1


def test_a_plan_that_may_cost_more_than_the_cap_is_refused(api: Api, caller: Caller) -> None:
    body = _sweep(prepared_dataset(api, caller)["id"])
    high = float(_planned(caller, body)["cost"]["high"])

    problem = problem_of(
        caller.post("/v1/jobs", body | {"max_cost": f"{high / 2:.6f}"}), 422, "plan_too_expensive"
    )
    job = caller.post("/v1/jobs", body | {"max_cost": f"{high * 2:.6f}"}).json()

    assert problem["errors"][0]["pointer"] == "/max_cost"
    assert float(job["budget"]["amount"]) == pytest.approx(high * 2, rel=1e-4)


def test_a_job_waits_for_approval_and_then_runs(api: Api, caller: Caller) -> None:
    body = _sweep(prepared_dataset(api, caller)["id"]) | {"approval": True}

    waiting = caller.post("/v1/jobs", body).json()
    approved = caller.post(waiting["links"]["approve"].removesuffix("/"), {}).json()
    again = caller.post(waiting["links"]["approve"], {}).json()

    assert (waiting["state"], waiting["reason"]) == ("waiting", "approval")
    assert (approved["state"], approved["reason"]) == ("queued", None)
    assert again["state"] == "queued"
    assert "approve" not in approved["links"]
    reported = caller.get(f"/v1/events?job={waiting['id']}").json()["data"]
    assert [event["type"] for event in reported] == ["job.created", "job.resumed"]


def test_a_cancelled_job_cannot_be_approved(api: Api, caller: Caller) -> None:
    body = _sweep(prepared_dataset(api, caller)["id"]) | {"approval": True}
    job = caller.post("/v1/jobs", body).json()
    caller.post(job["links"]["cancel"], {})

    answer = caller.post(f"/v1/jobs/{job['id']}/approve", {})

    problem_of(answer, 409, "job_not_waiting_for_approval")
