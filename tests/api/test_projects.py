"""Projects are a boundary: made by an administrator, and open to nothing of others."""

from typing import Any

import pytest

from service.projects.access import is_allowed
from service.projects.schemas import Scope
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, Json

REVISION = "0" * 40
GS: Json = {
    **PREPARE,
    "preset": "sentiment",
    "source": {"type": "gs", "uri": "gs://theirs/x/a.csv"},
}
HUB: Json = {
    **PREPARE,
    "preset": "sentiment",
    "source": {"type": "hub", "repo": "someone/rows", "revision": REVISION},
}


def made(caller: Caller, name: str = "support", **more: Any) -> Caller:
    """Make a project and return a caller with its first key."""
    project = caller.post("/v1/projects", {"name": name, **more})
    assert project.status_code == 201, project.text
    project_id = project.json()["id"]
    key = caller.post(f"/v1/projects/{project_id}/keys", {"name": "first", "scopes": list(Scope)})
    return Caller(caller.http, project_id, key.json()["secret"])


def submit(caller: Caller, kind: str, spec: Json, **more: Any) -> Any:
    return caller.post("/v1/jobs", {"kind": kind, "spec": spec, **more})


def test_an_administrator_makes_lists_and_changes_projects(caller: Caller) -> None:
    support = made(caller, buckets=["support-data"], limits={"open_jobs": 2})

    assert support.get("/v1/me").json()["project"] == support.project_id
    listed = caller.get("/v1/projects").json()["data"]
    assert [each["name"] for each in listed] == ["support", "default"]
    path = f"/v1/projects/{support.project_id}"
    changed = caller.request("PATCH", path, json={"hub_datasets": ["someone/*"]}).json()
    assert (changed["buckets"], changed["hub_datasets"]) == (["support-data"], ["someone/*"])
    assert changed["limits"]["open_jobs"] == 2
    assert caller.get(path).json() == changed
    problem_of(caller.post("/v1/projects", {"name": "support"}), 409, "project_exists")
    missing = f"/v1/projects/proj_{'0' * 26}"
    problem_of(caller.get(missing), 404, "project_not_found")


def test_other_projects_administer_nothing_but_themselves(caller: Caller) -> None:
    support = made(caller)
    path = f"/v1/projects/{caller.project_id}"
    for method, url, body in (
        ("GET", "/v1/projects", None),
        ("POST", "/v1/projects", {"name": "more"}),
        ("GET", path, None),
        ("PATCH", f"/v1/projects/{support.project_id}", {"buckets": ["*"]}),
        ("POST", f"{path}/keys", {"name": "mine", "scopes": ["admin"]}),
    ):
        answer = support.request(method, url, json=body)
        problem_of(answer, 403, "administrator_required")


@pytest.mark.parametrize(
    ("spec", "code", "opened"),
    [
        (GS, "bucket_not_allowed", {"buckets": ["theirs"]}),
        (GS, "bucket_not_allowed", {"buckets": ["theirs/x/*"]}),
        (HUB, "hub_dataset_not_allowed", {"hub_datasets": ["someone/*"]}),
        (HUB, "hub_dataset_not_allowed", {"hub_datasets": ["someone/rows"]}),
    ],
)
def test_a_project_reads_only_the_buckets_and_datasets_that_are_listed(
    caller: Caller, spec: Json, code: str, opened: Json
) -> None:
    support = made(caller)

    problem = problem_of(submit(support, "prepare", spec), 403, code)
    assert problem["errors"][0]["pointer"].startswith("/spec/source/")
    inside = submit(support, "experiment", {"prepare": spec})
    assert problem_of(inside, 403, code)["errors"][0]["pointer"].startswith("/spec/prepare/source/")
    caller.request("PATCH", f"/v1/projects/{support.project_id}", json=opened)
    assert submit(support, "prepare", spec).status_code == 202


ACCOUNT = "tunings@support-lab.iam.gserviceaccount.com"
KEY = "projects/p/locations/us-central1/keyRings/ring/cryptoKeys/key"
JUDGE = "projects/other-lab/locations/us-central1/publishers/google/models/gemini-3.1-flash-lite"
EVALUATION: Json = {"prompts": ["Is it right?"], "output_uri": "gs://theirs/results"}
OPENED: Json = {
    "tuning_service_accounts": {"tuning_service_accounts": [ACCOUNT]},
    "kms_keys": {"kms_keys": [KEY]},
    "kms_keys/*": {"kms_keys": [f"{KEY.rpartition('/')[0]}/*"]},
    "buckets": {"buckets": ["theirs"]},
    "service_account": {"service_account": "support@other-lab.iam.gserviceaccount.com"},
}


@pytest.mark.parametrize(
    ("names", "code", "opened"),
    [
        ({"service_account": ACCOUNT}, "service_account_not_allowed", "tuning_service_accounts"),
        ({"kms_key_name": KEY}, "kms_key_not_allowed", "kms_keys"),
        ({"kms_key_name": KEY}, "kms_key_not_allowed", "kms_keys/*"),
        ({"evaluation": EVALUATION}, "bucket_not_allowed", "buckets"),
        ({"evaluation": EVALUATION | {"autorater": {"model": JUDGE}}}, "", "service_account"),
    ],
)
def test_a_tuning_names_only_what_its_project_may_use(
    caller: Caller, names: Json, code: str, opened: str
) -> None:
    support = made(caller, buckets=[] if code else ["theirs"])
    spec = {"dataset": f"ds_{'0' * 26}", "train_size": 20, "allow_unlisted_model": True, **names}

    problem = problem_of(submit(support, "tune", spec), 403, code or "cloud_project_not_allowed")
    assert problem["errors"][0]["pointer"].startswith(f"/spec/{next(iter(names))}")
    caller.patch(f"/v1/projects/{support.project_id}", OPENED[opened])
    problem_of(submit(support, "tune", spec), 404, "input_not_found")
    assert submit(caller, "tune", spec).status_code == (404 if code else 403)


def test_the_account_of_a_project_with_open_jobs_stays(caller: Caller) -> None:
    support = made(caller, service_account=ACCOUNT)
    path, job = f"/v1/projects/{support.project_id}", submit(support, "prepare", PREPARE).json()
    other = f"other-{ACCOUNT}"

    for account in (other, None):
        problem_of(caller.patch(path, {"service_account": account}), 409, "project_has_open_jobs")
    changed = caller.patch(path, {"service_account": ACCOUNT, "buckets": ["theirs"]})
    assert changed.json()["buckets"] == ["theirs"]
    assert caller.get(path).json()["service_account"] == ACCOUNT
    support.post(f"/v1/jobs/{job['id']}/cancel")
    assert caller.patch(path, {"service_account": other}).json()["service_account"] == other


@pytest.mark.parametrize(
    ("buckets", "uri"),
    [
        ([], "gs://theirs/results"),
        (["theirs/a/*"], "gs://theirs/b"),
        (["theirs/a/*"], "gs://theirs"),
    ],
)
def test_a_provider_writes_results_only_where_a_project_may(
    caller: Caller, buckets: list[str], uri: str
) -> None:
    support = made(caller, buckets=buckets)
    dataset = submit(support, "prepare", PREPARE).json()["outputs"]["dataset"]
    evaluation = {"metrics": ["exact_match"], "output_uri": uri}
    spec = {"dataset": dataset, "train_size": 20, "evaluation": evaluation}

    problem = problem_of(submit(support, "tune", spec), 403, "bucket_not_allowed")
    assert problem["errors"][0]["pointer"] == "/spec/evaluation/output_uri"
    caller.patch(f"/v1/projects/{support.project_id}", {"buckets": ["theirs"]})
    spec["evaluation"] = evaluation | {"output_uri": "gs://theirs/results"}
    assert submit(support, "tune", spec).status_code == 202


@pytest.mark.parametrize("place", ["endpoints/1", "models/1", "publishers/google/models/../x"])
def test_a_judge_is_no_endpoint_of_somebody(caller: Caller, place: str) -> None:
    evaluation = {
        "prompts": ["Is it right?"],
        "output_uri": "gs://theirs/results",
        "autorater": {"model": f"projects/p/locations/us-central1/{place}"},
    }
    spec = {"dataset": f"ds_{'0' * 26}", "train_size": 20, "evaluation": evaluation}

    problem = problem_of(submit(caller, "tune", spec), 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "/spec/evaluation/autorater/model"


@pytest.mark.parametrize(
    ("name", "pattern", "allowed"),
    [
        ("bucket/a", "*", True),
        ("bucket/a", "bucket/*", True),
        ("bucket2/a", "bucket/*", False),
        ("bucket", "bucket/*", False),
        ("owner/name", "owner/name", True),
        ("owner/name2", "owner/name", False),
        ("a/../b/c", "b/*", False),
    ],
)
def test_a_pattern_covers_a_name_or_what_is_below_it(
    name: str, pattern: str, *, allowed: bool
) -> None:
    assert is_allowed(name, [pattern]) is allowed


def test_a_projects_limits_hold_when_jobs_are_submitted(caller: Caller) -> None:
    support = made(caller, limits={"open_jobs": 3, "dollars_per_month": "10"})
    dataset = submit(support, "prepare", PREPARE).json()["outputs"]["dataset"]
    spec = {"dataset": dataset, "variant": "zero_shot"}

    def evaluate(dollars: str | None) -> Any:
        budget = {"budget": {"amount": dollars}} if dollars else {}
        return submit(support, "evaluate", spec, **budget)

    problem_of(evaluate(None), 422, "budget_required")
    problem_of(evaluate("11"), 403, "project_limit_reached")
    assert evaluate("6").status_code == 202
    problem_of(evaluate("5"), 403, "project_limit_reached")
    assert evaluate("4").status_code == 202
    problem_of(submit(support, "prepare", PREPARE), 429, "queue_full")
    assert submit(caller, "prepare", PREPARE).status_code == 202


def test_a_projects_requests_are_counted_together(caller: Caller) -> None:
    support = made(caller, limits={"requests_per_minute": 2})
    answers = [support.get("/v1/me").status_code for _ in range(4)]
    assert answers[0] == 200
    assert 429 in answers
    assert caller.get("/v1/me").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "projects/p/locations/us/endpoints/1",
        "x/../../../../endpoints/1",
        "gemini-2.5-flash/../gemini-2.5-flash",
        "publishers/google/models/gemini-2.5-flash",
        "gemini%2F1",
    ],
)
def test_a_base_model_is_a_plain_name(caller: Caller, name: str) -> None:
    dataset = submit(caller, "prepare", PREPARE).json()["outputs"]["dataset"]
    for kind, spec in (
        ("evaluate", {"dataset": dataset, "variant": "zero_shot"}),
        ("tune", {"dataset": dataset, "train_size": 20}),
        ("experiment", {"dataset": dataset}),
    ):
        whole = {**spec, "base_model": name, "allow_unlisted_model": True}
        answer = submit(caller, kind, whole)
        assert answer.status_code == 422, (kind, answer.text)
        assert answer.json()["errors"][0]["pointer"] == "/spec/base_model"


def test_the_last_administrators_key_cannot_be_revoked(api: Api, caller: Caller) -> None:
    own = caller.get("/v1/me").json()["key"]
    problem_of(caller.delete(f"/v1/keys/{own}"), 409, "last_admin_key")
    assert caller.get("/v1/me").status_code == 200

    reader = caller.post("/v1/keys", {"name": "reader", "scopes": ["read"]}).json()
    assert caller.delete(f"/v1/keys/{reader['id']}").status_code == 204
    another = caller.post("/v1/keys", {"name": "another", "scopes": ["admin"]}).json()
    assert caller.delete(f"/v1/keys/{own}").status_code == 204
    admin = Caller(api.http, caller.project_id, another["secret"])
    problem_of(admin.delete(f"/v1/keys/{another['id']}"), 409, "last_admin_key")
