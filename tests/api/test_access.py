"""Who may do what: keys, scopes, and projects that do not see each other."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.routing import BaseRoute, Route

from api.auth import KnownKeys
from service.clock import rfc3339, utc_now
from service.projects.models import ApiKey
from service.projects.schemas import Principal, Scope
from tests.api.server import PREPARE, Api, Caller, Json
from tests.support.eventually import eventually

OPEN_PATHS = {"/", "/healthz", "/readyz"}
ANY_SCOPE = {"/v1/me"}
OF_ADMINISTRATORS = ("/v1/audit", "/v1/keys", "/v1/webhooks", "/v1/projects", "/v1/subjects")
ALSO_OF_ADMINISTRATORS = {("PATCH", "/v1/quotas/{location}/{base_model}")}
OF_THE_INSTALLATION = ("/v1/projects", "/v1/quotas/")  # not of one project
# Parameters that are no ids.
NAMES = {
    "{location}": "us",
    "{base_model}": "gemini-3.1-flash-lite",
    "{alias}": "pii@best",
    "plots/{name}": "plots/curve.svg",
    "tables/{name}": "tables/variants.csv",
}
MODEL = "{model}"  # a model by its id, or by another name


def _operations(contract: Json) -> list[tuple[str, str, Json]]:
    return [
        (method.upper(), path, operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer tunecurve_{'a' * 10}_{'b' * 49}"},
    ],
)
def test_without_a_valid_key_there_is_no_answer(api: Api, header: dict[str, str]) -> None:
    answer = api.get("/v1/jobs", headers=header)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_operation_but_health_asks_for_a_key(api: Api) -> None:
    for method, path, _ in _operations(api.app.openapi()):
        answer = api.http.request(method, path.replace("{", "").replace("}", ""))

        expected = {200} if path in OPEN_PATHS else {401}
        assert answer.status_code in expected, (method, path, answer.status_code)


def test_an_expired_and_a_revoked_key_open_nothing(api: Api, caller: Caller) -> None:
    soon = rfc3339(utc_now() + timedelta(hours=1))
    made = caller.post("/v1/keys", {"name": "brief", "scopes": ["read"], "expires_at": soon}).json()
    brief = Caller(caller.http, caller.project_id, made["secret"])
    revoked = api.caller()
    key_id = revoked.get("/v1/me").json()["key"]

    assert caller.delete(f"/v1/keys/{key_id}").status_code == 204
    assert caller.delete(f"/v1/keys/{key_id}").status_code == 204

    assert revoked.get("/v1/me").status_code == 401
    with api.services.sessions.transaction() as session:  # the hour has passed
        session.query(ApiKey).filter_by(id=made["id"]).update({"expires_at": utc_now()})
    eventually(lambda: brief.get("/v1/me").status_code == 401, what="the key has not expired")


def _scopes_for(method: str, path: str) -> set[str]:
    """Return what an operation must ask for: reading, changing, or administering."""
    if path in OPEN_PATHS | ANY_SCOPE:
        return set()
    if path.startswith(OF_ADMINISTRATORS) or (method, path) in ALSO_OF_ADMINISTRATORS:
        return {Scope.ADMIN.value}
    return {Scope.READ.value if method == "GET" else Scope.WRITE.value}


def test_every_route_is_in_the_document_with_the_scope_its_verb_needs(api: Api) -> None:
    documented = set()
    for method, path, operation in _operations(api.app.openapi()):
        documented.add((method, path))
        asked = {scope for way in operation.get("security", ()) for scope in way["key"]}
        assert asked == _scopes_for(method, path), (method, path)
        assert ("security" in operation) is (path not in OPEN_PATHS), (method, path)

    served = {
        (method, route.path)
        for route in _routes(api.app.routes)
        for method in (route.methods or set()) - {"HEAD"}
    }
    about_the_api = {("GET", path) for path in ("/openapi.json", "/docs", "/docs/{name}")}
    assert served - documented == about_the_api
    assert documented == served - about_the_api


def _routes(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    for route in routes:
        nested = getattr(route, "original_router", None) or getattr(route, "router", None)
        if nested is not None:
            yield from _routes(nested.routes)
        else:
            assert isinstance(route, Route), route
            yield route


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_does_exactly_what_its_scopes_say(api: Api, scope: Scope) -> None:
    """Every operation is tried with a key of one scope: it is refused unless it asks for that."""
    caller = api.caller("default", scope)
    for method, path, operation in _operations(api.app.openapi()):
        if path in OPEN_PATHS:
            continue
        (needed,) = operation["security"][0].values()
        answer = caller.request(
            method, _with_ids(path, operation), json=_BODIES.get(operation["operationId"])
        )

        case = (method, path, answer.status_code)
        if set(needed) <= {scope.value}:
            assert answer.status_code not in {401, 403}, case
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), case
            assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


_BODIES: dict[str, Any] = {
    "createJob": {"kind": "prepare", "spec": PREPARE},
    "createWebhook": {"url": "http://127.0.0.1:9/hook"},
    "updateWebhook": {"description": "mine now"},
    "redeliver": {"since": "2026-01-01T00:00:00Z"},
    "rotateWebhookSecret": {},
    "createKey": {"name": "another", "scopes": ["read"]},
    "changeQuota": {"paused": True},
    "createProject": {"name": "another"},
    "updateProject": {"buckets": []},
    "createProjectKey": {"name": "another", "scopes": ["read"]},
    "findSubject": {"text": "a text"},
    "generateText": {"text": "a text"},
    "setAlias": {"model": f"model_{'0' * 26}"},
    "putEvaluationVerdicts": {"data": [{"example_id": "a", "verdict": 1}]},
}


def _id_parameters(operation: Json, place: str) -> dict[str, str]:
    """Return the parameters that are ids, by name, each with an id that does not exist."""
    found = {}
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        texts = [schema, *schema.get("anyOf", ())]
        patterns = [text["pattern"] for text in texts if "pattern" in text]
        matches = [re.match(r"\^([a-z]+)_\[", pattern) for pattern in patterns]
        if parameter["in"] == place and any(matches):
            (match,) = filter(None, matches)
            found[parameter["name"]] = f"{match[1]}_{'0' * 26}"
    return found


def _with_ids(path: str, operation: Json, ids: dict[str, str] | None = None) -> str:
    if path == "/v1/events/stream":  # without a job it would last for minutes
        return f"{path}?job=job_{'0' * 26}"
    for name, missing in _id_parameters(operation, "path").items():
        path = path.replace(f"{{{name}}}", missing if ids is None else ids[name])
    path = path.replace(MODEL, f"model_{'0' * 26}" if ids is None else ids["model_id"])
    for name, value in NAMES.items():
        path = path.replace(name, value)
    assert "{" not in path, f"a parameter of {path} is no id: say in this test what it is"
    return path


def _objects_of(caller: Caller) -> dict[str, str]:
    """Make one object of each kind in the caller's project and return their ids."""
    prepare = caller.submit("prepare", PREPARE)
    dataset = prepare["outputs"]["dataset"]
    tune = caller.submit("tune", {"dataset": dataset, "train_size": 20})
    evaluate = caller.submit("evaluate", {"dataset": dataset, "variant": "zero_shot"})
    experiment = caller.submit("experiment", {"dataset": dataset})
    return {
        "job_id": prepare["id"],
        "file_id": caller.upload(b"text,target\na,b\n").json()["id"],
        "dataset_id": dataset,
        "model_id": tune["outputs"]["model"],
        "evaluation_id": evaluate["outputs"]["evaluation"],
        "experiment_id": experiment["outputs"]["experiment"],
        "webhook_id": caller.post("/v1/webhooks", _BODIES["createWebhook"]).json()["id"],
        "key_id": caller.get("/v1/me").json()["key"],
        "project_id": caller.project_id,
    }


def test_another_projects_ids_are_not_found_by_any_operation(api: Api) -> None:
    owner, stranger = api.caller("owner"), api.caller("stranger")
    ids = _objects_of(owner)
    tried = set()

    for method, path, operation in _operations(api.app.openapi()):
        if "{" not in path:
            continue
        answer = stranger.request(
            method,
            _with_ids(path, operation, ids),
            json=_BODIES.get(operation["operationId"]),
            headers={"If-Match": "*"},
        )
        if path.startswith(OF_THE_INSTALLATION):  # whether it exists is not shown either
            assert answer.json()["code"] == "administrator_required", (method, path)
        else:
            assert answer.status_code == 404, (method, path, answer.text)
            assert answer.json()["code"].endswith("_not_found")
        tried |= set(_id_parameters(operation, "path"))

    assert tried == set(ids)
    assert stranger.get("/v1/events/stream", params={"job": ids["job_id"]}).status_code == 404
    assert owner.get(f"/v1/jobs/{ids['job_id']}").json()["state"] == "queued"
    assert owner.get("/v1/me").status_code == 200


def test_another_projects_objects_are_in_no_list_and_are_no_input(api: Api) -> None:
    owner, stranger = api.caller("owner"), api.caller("stranger")
    ids = _objects_of(owner)

    for path in ("jobs", "files", "datasets", "models", "evaluations", "experiments", "webhooks"):
        assert owner.get(f"/v1/{path}").json()["data"], path
        assert stranger.get(f"/v1/{path}").json()["data"] == [], path
    assert stranger.get("/v1/events", params={"job": ids["job_id"]}).json()["data"] == []
    assert stranger.get("/v1/jobs", params={"parent": ids["job_id"]}).json()["data"] == []
    assert [key["id"] for key in stranger.get("/v1/keys").json()["data"]] != [ids["key_id"]]
    for kind, spec in (
        ("prepare", {**PREPARE, "source": {"type": "file", "file_id": ids["file_id"]}}),
        ("tune", {"dataset": ids["dataset_id"], "train_size": 20}),
        ("evaluate", {"dataset": ids["dataset_id"], "variant": "zero_shot"}),
        ("experiment", {"dataset": ids["dataset_id"]}),
    ):
        answer = stranger.post("/v1/jobs", {"kind": kind, "spec": spec})
        assert (answer.status_code, answer.json()["code"]) == (404, "input_not_found"), kind


def test_a_key_is_shown_once_and_opens_its_project(caller: Caller) -> None:
    made = caller.post("/v1/keys", {"name": "nightly", "scopes": ["read", "write"]})

    key = made.json()
    fresh = Caller(caller.http, caller.project_id, key["secret"])
    me = fresh.get("/v1/me").json()
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert (me["project"], me["key"]) == (caller.project_id, key["id"])
    assert me["scopes"] == ["read", "write"]
    assert me["limits"]["open_jobs"] == 8
    listed = caller.get("/v1/keys").json()["data"]
    assert [each["name"] for each in listed] == ["nightly", "test"]
    assert key["secret"] not in caller.get("/v1/keys").text


def test_keys_are_listed_page_by_page(caller: Caller) -> None:
    for name in ("one", "two"):
        caller.post("/v1/keys", {"name": name, "scopes": ["read"]})

    first = caller.get("/v1/keys", params={"limit": 2}).json()
    second = caller.get(first["next"]).json()

    assert [each["name"] for each in first["data"] + second["data"]] == ["two", "one", "test"]
    assert not second["has_more"]


def test_a_key_is_remembered_for_a_moment_and_forgotten_when_one_is_revoked() -> None:
    keys = KnownKeys(seconds=2)
    principal = Principal(project_id="proj_1", key_id="key_1", scopes=frozenset())

    keys.add("digest", principal, now=100)

    assert keys.find("digest", now=101.9) is principal
    assert keys.find("digest", now=102) is None
    keys.add("digest", principal, now=100)
    keys.forget()
    assert keys.find("digest", now=101) is None
