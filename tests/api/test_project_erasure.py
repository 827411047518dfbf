"""Erasing a project: looked at first, closed at once, and gone with everything it held."""

from sqlalchemy import func, select

from service.database import Model
from service.erasure.projects import erase_closed_projects, has_closed_projects
from service.jobs.claims import claim_job, finish_job
from service.jobs.lifecycle import State
from tests.api.outputs import finished_evaluation, prepared_dataset
from tests.api.problems import problem_of
from tests.api.scored_models import ready_model
from tests.api.server import PREPARE, Api, Caller, Json


def filled(api: Api, project: str) -> Caller:
    """Return the caller of a project with one of each thing, and a job that no worker has."""
    caller = api.caller(project)
    dataset = prepared_dataset(api, caller)["id"]
    evaluation = finished_evaluation(api, caller, dataset)
    assert caller.get(f"/v1/evaluations/{evaluation}").status_code == 200
    caller.submit("experiment", {"dataset": dataset})
    named = ready_model(api, caller, dataset, train_size=40)
    assert caller.request("PUT", "/v1/aliases/pii@best", json={"model": named}).status_code == 200
    caller.submit("tune", {"dataset": dataset, "train_size": 20})
    caller.upload(b"text,target\na,b\n")
    caller.post("/v1/webhooks", {"url": "http://127.0.0.1:9/hook"})
    return caller


def rows_of(api: Api, project_id: str) -> dict[str, int]:
    """Return the tables that have rows of a project, but for the audit trail."""
    found = {}
    with api.services.sessions.reading() as session:
        for name, table in Model.metadata.tables.items():
            if "project_id" in table.c and name != "audit_entry":
                query = select(func.count()).where(table.c.project_id == project_id)
                found[name] = session.scalar(query) or 0
    return {name: count for name, count in found.items() if count}


def sweep(api: Api) -> None:
    erase_closed_projects(jobs=api.services.jobs, services=api.services.erasure)


def erasure_of(caller: Caller, project_id: str, **query: str) -> Json:
    answer = caller.request("DELETE", f"/v1/projects/{project_id}", params=query)
    assert answer.status_code == (200 if query else 202), answer.text
    found: Json = answer.json()
    return found


def test_a_dry_run_counts_what_would_go_and_changes_nothing(api: Api, caller: Caller) -> None:
    support = filled(api, "support")
    before = rows_of(api, support.project_id)

    plan = erasure_of(caller, support.project_id, dry_run="true")

    assert (plan["name"], plan["state"]) == ("support", "planned")
    held = plan["contents"]
    assert {name: held[name] for name in ("files", "keys", "webhooks", "datasets")} == {
        "files": 1,
        "keys": 1,
        "webhooks": 1,
        "datasets": before["dataset"],
    }
    assert (held["jobs"], held["evaluations"]) == (before["job"], before["evaluation"])
    assert held["open_jobs"] > 0
    assert support.get("/v1/me").status_code == 200
    assert not has_closed_projects(sessions=api.services.sessions)
    assert rows_of(api, support.project_id) == before


def test_an_erased_project_leaves_nothing_and_takes_nothing_of_others(
    api: Api, caller: Caller
) -> None:
    support, other = filled(api, "support"), filled(api, "other")
    others = rows_of(api, other.project_id)
    store = api.services.store
    kept = [key for key in store.keys_below("projects") if other.project_id in key]

    assert erasure_of(caller, support.project_id)["state"] == "erasing"
    assert support.get("/v1/me").status_code == 401
    shown = caller.get(f"/v1/projects/{support.project_id}").json()
    assert shown["state"] == "erasing"
    for _ in range(4):  # jobs stop, outputs go, jobs go, the project goes
        sweep(api)

    assert rows_of(api, support.project_id) == {}
    missing = caller.get(f"/v1/projects/{support.project_id}")
    problem_of(missing, 404, "project_not_found")
    assert kept
    assert store.keys_below("projects") == kept
    assert rows_of(api, other.project_id) == others
    assert other.get("/v1/me").status_code == 200
    trail = caller.get("/v1/audit", params={"limit": 100}).json()["data"]
    assert ("deleteProject", support.project_id) in [(e["action"], e["target"]) for e in trail]


def test_a_project_waits_for_a_running_job_to_stop(api: Api, caller: Caller) -> None:
    support = api.caller("support")
    job_id = support.submit("prepare", PREPARE)["id"]
    sessions = api.services.sessions
    claimed = claim_job(job_id, sessions=sessions, lease_seconds=60, attempts_limit=5)
    assert claimed
    erasure_of(caller, support.project_id)

    for _ in range(4):
        sweep(api)
    assert rows_of(api, support.project_id)["job"] == 1

    finish_job(job_id, State.CANCELLED, token=claimed[1], sessions=sessions)
    for _ in range(4):
        sweep(api)
    assert rows_of(api, support.project_id) == {}


def test_the_default_project_cannot_be_erased(caller: Caller) -> None:
    for query in ({}, {"dry_run": "true"}):
        answer = caller.request("DELETE", f"/v1/projects/{caller.project_id}", params=query)
        problem_of(answer, 409, "default_project")
    assert caller.get("/v1/me").status_code == 200
