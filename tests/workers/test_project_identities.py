"""Projects with service accounts of their own: no call of one carries another's token."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from emulator.resources import project_number
from service.erasure.operations import delete_output
from service.erasure.pending_leftovers import list_erasures
from service.errors import ProviderRefused
from service.generation.operations import plan_call, start_call
from service.generation.schemas import GenerateRequest
from service.inference.redis_governor import list_quotas
from service.jobs.lifecycle import State
from service.jobs.queries import count_open_jobs
from service.projects.administration import create_project, update_project
from service.projects.schemas import ProjectCreate, ProjectLimits, ProjectUpdate
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

SYNTHETIC = {"type": "synthetic", "rows": 40, "seed": 1}
ROLE = "roles/iam.serviceAccountTokenCreator"
PREPARE: dict[str, Any] = {
    "preset": "generic",
    "template": {"instruction": "Which?", "text": "{{text}}", "target": "{{target}}"},
    "train_sizes": [10],
    "test_size": 10,
}


def account_of(name: str) -> str:
    return f"tunecurve-{name}@tunecurve-{name}.iam.gserviceaccount.com"


def project(stack: Stack, name: str) -> Stack:
    """Return a new project's view of the stack; its calls are those of an account of its own."""
    wanted = ProjectCreate(name=name, buckets=["tunecurve"], service_account=account_of(name))
    made = create_project(wanted, sessions=stack.services.sessions)
    return replace(stack, project_id=made.id)


def set_account(stack: Stack, account: str | None) -> None:
    update_project(
        stack.project_id,
        ProjectUpdate(service_account=account),
        count_open_jobs=count_open_jobs,
        sessions=stack.services.sessions,
    )


@pytest.fixture(autouse=True)
def _allowed(stack: Stack) -> Iterator[None]:
    yield
    stack.emulator.configure(forbidden="nothing", batch_seconds=0)


def rows(name: str) -> bytes:
    lines = ({"text": f"{name} {at}", "target": f"{at % 2}"} for at in range(60))
    return "\n".join(map(json.dumps, lines)).encode()


def submit_work(stack: Stack, name: str) -> list[str]:
    """Submit all that calls Google: a preparation, a tuning, an evaluation of each lane."""
    file_id = stack.upload(rows(name), name="rows.jsonl", file_format="jsonl")
    source = {"type": "file", "file_id": file_id}
    prepare = stack.submit("prepare", {**PREPARE, "source": source})
    dataset = prepare.outputs["dataset"]
    tune = stack.submit("tune", {"dataset": dataset, "train_size": 10})
    online = {
        "dataset": dataset,
        "variant": "tuned",
        "model": tune.outputs["model"],
        "vertex_metrics": ["exact_match"],
    }
    batch = {"dataset": dataset, "variant": "zero_shot", "lane": "batch"}
    jobs = [prepare, tune, *(stack.submit("evaluate", spec) for spec in (online, batch))]
    return [job.id for job in jobs]


def ask(stack: Stack) -> None:
    services = stack.services.generation
    wanted = GenerateRequest(text="Which?")
    call = plan_call(
        "gemini-3.1-flash-lite", wanted, project_id=stack.project_id, services=services
    )
    assert start_call(call, limits=ProjectLimits(), services=services).result().generation.text


def erase(stack: Stack, model: str) -> None:
    services = stack.services
    delete_output(model, project_id=stack.project_id, services=services.erasure)
    eventually(
        lambda: (
            not list_erasures(stack.project_id, after=None, limit=10, sessions=services.sessions)
        ),
        what="the model is not erased",
    )


def calls(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.emulator.request("GET", "/_emulator/identities")["calls"]
    return found


def test_no_call_of_a_project_carries_the_token_of_another(stack: Stack) -> None:
    views = {name: project(stack, name) for name in ("red", "blue")}

    jobs = {name: submit_work(view, name) for name, view in views.items()}
    for name, view in views.items():
        _, tune, *evaluations = map(view.succeeded, jobs[name])
        for evaluation in evaluations:
            delete_output(
                evaluation.outputs["evaluation"],
                project_id=view.project_id,
                services=view.services.erasure,
            )
        ask(view)
        erase(view, tune.outputs["model"])

    for name, view in views.items():
        cloud = f"tunecurve-{name}"
        own = (view.project_id, f"/{cloud}/", f"/{project_number(cloud)}/")
        named = [call for call in calls(stack) if any(mark in f"{call['path']}/" for mark in own)]
        assert {call["identity"] for call in named} == {account_of(name)}
        said = " ".join(f"{call['method']} {call['path']}" for call in named)
        for part in (
            "/upload/storage/v1/",
            "GET /download/storage/v1/",
            "DELETE /storage/v1/",
            "/tuningJobs",
            ":generateContent",
            ":evaluateInstances",
            "/batchPredictionJobs",
            "DELETE /v1/projects/",
        ):
            assert part in said, part

    def has_both() -> bool:  # governors report once a second
        quotas = {quota.google_project for quota in list_quotas(stack.services.redis.url)}
        return quotas >= {"tunecurve-red", "tunecurve-blue"}

    eventually(has_both, what="a quota is not listed")


def test_a_refused_identity_names_the_role_and_stops_no_other_project(stack: Stack) -> None:
    stack.emulator.configure(forbidden="impersonation")
    refused = project(stack, "refused")

    job = refused.submit(
        "prepare", {"preset": "pii", "source": SYNTHETIC, "train_sizes": [5], "test_size": 5}
    )
    ended = refused.ended(job.id)
    assert ended.state == State.FAILED
    assert ended.error is not None
    assert ROLE in json.dumps(ended.error)
    reported = stack.services.google.of(refused.project_id).check()
    assert (reported.state, reported.cloud_project) == ("refused", "tunecurve-refused")
    with pytest.raises(ProviderRefused, match=ROLE):
        refused.upload(rows("x"), name="rows.jsonl", file_format="jsonl")
    set_account(refused, None)
    refused.upload(rows("x"), name="rows.jsonl", file_format="jsonl")
