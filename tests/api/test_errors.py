"""Errors over HTTP: always problem documents, never what was sent."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service.settings import Settings
from tests.api.server import PREPARE, Api, Caller, Json
from tests.support.eventually import eventually

CANARY = "canary-4111111111111111"


def _problem(answer: httpx2.Response, status: int, code: str) -> Json:
    """Check the form that every error has, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: Json = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:tunecurve:error:{code}"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


def _pointers(problem: Json) -> dict[str, str]:
    return {fault["pointer"]: fault["code"] for fault in problem["errors"]}


# -------------------------------------------------------------------------- the framework's own


def test_an_unknown_path_is_a_problem(caller: Caller) -> None:
    _problem(caller.get("/v1/nothing"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("PATCH", "/v1/files", "GET, POST"),
        ("POST", f"/v1/datasets/ds_{'0' * 26}", "GET, DELETE"),
        ("PUT", f"/v1/webhooks/wh_{'0' * 26}", "GET, PATCH, DELETE"),
        ("DELETE", "/healthz", "GET"),
    ],
)
def test_a_wrong_method_names_all_that_are_allowed(
    caller: Caller, method: str, path: str, allowed: str
) -> None:
    answer = caller.request(method, path)

    _problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "content", [b"{", b'{"kind": ', b"\xff\xfe{}", b"[" * 100_000]
)
def test_what_is_not_json_is_told_as_such(caller: Caller, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    _problem(
        caller.request("POST", "/v1/jobs", content=content, headers=headers), 400, "invalid_json"
    )


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_json_must_be_said_to_be_json(caller: Caller, media_type: str) -> None:
    answer = caller.request(
        "POST", "/v1/jobs", content=b'{"kind": "poll"}', headers={"Content-Type": media_type}
    )

    _problem(answer, 415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused_with_and_without_its_length(caller: Caller) -> None:
    body = b'{"labels": {"a": "' + b"x" * (2 << 20) + b'"}}'
    headers = {"Content-Type": "application/json"}

    said = caller.request("POST", "/v1/jobs", content=body, headers=headers)
    chunked = caller.request(
        "POST", "/v1/jobs", content=iter([body[: 1 << 19]] * 5), headers=headers
    )

    _problem(said, 413, "too_large")
    _problem(chunked, 413, "too_large")


def test_the_request_id_is_taken_over_when_it_is_proper(caller: Caller) -> None:
    answer = caller.get("/v1/nothing", headers={"X-Request-Id": "nightly.run-42"})

    assert _problem(answer, 404, "not_found")["request_id"] == "nightly.run-42"


@pytest.mark.parametrize("sent", ["short", "x" * 65, "has spaces in it"])
def test_an_improper_request_id_is_replaced(caller: Caller, sent: str) -> None:
    answer = caller.get("/v1/me", headers={"X-Request-Id": sent})

    assert answer.headers["X-Request-Id"].startswith("req_")


def test_a_job_keeps_the_id_of_the_request_that_made_it(api: Api, caller: Caller) -> None:
    answer = caller.post(
        "/v1/jobs",
        {"kind": "prepare", "spec": PREPARE},
        headers={"X-Request-Id": "nightly.run-42"},
    )

    from service.jobs.operations import get_job

    row = get_job(
        answer.json()["id"], project_id=caller.project_id, sessions=api.services.sessions
    )
    assert row.request_id == "nightly.run-42"


# ---------------------------------------------------------------------------------- validation


def test_an_unknown_kind_names_the_known_ones(caller: Caller) -> None:
    problem = _problem(
        caller.post("/v1/jobs", {"kind": CANARY, "spec": {}}), 422, "validation_failed"
    )

    assert _pointers(problem) == {"/kind": "unknown_kind"}
    for kind in ("prepare", "tune", "poll", "evaluate", "experiment"):
        assert kind in problem["detail"]
    assert CANARY not in str(problem)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"/kind": "unknown_kind"}),
        ([], {"": "model_attributes_type"}),
        ({"kind": "tune"}, {"/spec": "missing"}),
        (
            {"kind": "tune", "spec": {"dataset": "x", "extra": 1}},
            {
                "/spec/dataset": "string_pattern_mismatch",
                "/spec/train_size": "missing",
                "/spec/extra": "extra_forbidden",
            },
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "train_sizes": [20, "many"]}},
            {"/spec/train_sizes/1": "int_parsing"},
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "test_size": 0}},
            {"/spec/test_size": "greater_than_equal"},
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "source": {"type": "file", "file_id": "x"}}},
            {"/spec/source/file_id": "string_pattern_mismatch"},
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "source": {"type": "disk"}}},
            {"/spec/source/type": "unknown_type"},
        ),
        ({"kind": "prepare", "spec": PREPARE, "budget": 1}, {"/budget": "extra_forbidden"}),
    ],
)
def test_each_fault_has_its_place_in_the_body(
    caller: Caller, body: Any, faults: dict[str, str]
) -> None:
    problem = _problem(caller.post("/v1/jobs", body), 422, "validation_failed")

    assert _pointers(problem) == faults


def test_an_unknown_preset_names_the_known_ones(caller: Caller) -> None:
    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, "preset": "nope"}})

    problem = _problem(answer, 422, "unknown_preset")
    assert _pointers(problem) == {"/spec/preset": "unknown_preset"}
    assert "pii" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/jobs?limit=0", "limit"),
        ("/v1/jobs?limit=101", "limit"),
        ("/v1/jobs?after=job_1", "after"),
        ("/v1/jobs?state=done", "state/0"),
        ("/v1/jobs?kind=dance", "kind/0"),
        ("/v1/jobs?label=team", "label"),
        ("/v1/jobs?label=team:%00", "label"),
        ("/v1/jobs/job_1", "job_id"),
        ("/v1/events?after=-1", "after"),
        (f"/v1/events?after={2**64}", "after"),
        ("/v1/events?type=job.danced", "type/0"),
        (f"/v1/datasets/ds_{'0' * 26}/content?format=xls", "format"),
        (f"/v1/experiments/exp_{'0' * 26}/content?format=pdf", "format"),
    ],
)
def test_a_wrong_parameter_is_named(caller: Caller, path: str, pointer: str) -> None:
    problem = _problem(caller.get(path), 422, "validation_failed")

    assert list(_pointers(problem)) == [pointer]


@pytest.mark.parametrize(
    "labels",
    [{"a\0": "b"}, {"a": "b\0"}, {"": "b"}, {"a": ""}, {"a": "b:c"}, {"a": "\ud800"}, {"a": 1}],
)
def test_labels_that_no_database_keeps_are_refused(caller: Caller, labels: Json) -> None:
    body = {"kind": "prepare", "spec": PREPARE, "labels": labels}

    _problem(caller.post("/v1/jobs", body), 422, "validation_failed")


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"columns": {"a\0": "b"}},
        {"source": {"type": "gs", "uri": "gs://bucket/\0"}},
        {"test_size": 1 << 70},
    ],
)
def test_a_spec_that_no_database_keeps_is_refused(caller: Caller, spec: Json) -> None:
    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, **spec}})

    _problem(answer, 422, "validation_failed")


# ------------------------------------------------------------------------------------- silence


def test_a_failure_of_ours_says_nothing_about_itself(
    settings: Settings, api: Api, caller: Caller
) -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    api.app.add_api_route("/fail", fail)
    problem = _problem(caller.get("/fail"), 500, "internal")

    assert CANARY not in str(problem)
    assert caller.get("/v1/me").status_code == 200


BODIES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, "seed": CANARY}}),
    ("POST", "/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, "template": CANARY}}),
    ("POST", "/v1/jobs", {"kind": CANARY, "spec": CANARY}),
    ("POST", "/v1/jobs", {"kind": "tune", "spec": {"dataset": CANARY, "train_size": CANARY}}),
    ("POST", "/v1/jobs", {"kind": "poll", "spec": {"resource_name": CANARY}}),
    ("POST", "/v1/jobs", CANARY),
    ("POST", "/v1/webhooks", {"url": f"https://{CANARY}", "event_types": [1]}),
    ("POST", "/v1/webhooks", {"url": f"not a url {CANARY}"}),
    ("POST", "/v1/keys", {"name": f"\0{CANARY}", "scopes": ["read"]}),
    ("POST", "/v1/keys", {"name": "a", "scopes": [CANARY], "expires_at": CANARY}),
    ("GET", f"/v1/jobs?after={CANARY}&limit={CANARY}&label={CANARY}", None),
    ("GET", f"/v1/events?type={CANARY}", None),
    ("GET", f"/v1/jobs/{CANARY}", None),
    ("GET", f"/{CANARY}", None),
]


def test_what_was_sent_is_neither_told_back_nor_logged(
    database_url: str, tmp_path: Path, api: Api, caller: Caller
) -> None:
    log = tmp_path / "api.log"
    environment = {
        "PATH": os.environ["PATH"],
        "TUNECURVE_DATA_DIR": str(tmp_path),
        "TUNECURVE_DATABASE_URL": database_url,
        "TUNECURVE_REDIS_URL": "unix:///nonexistent/redis.sock",
        "TUNECURVE_LOG_LEVEL": "debug",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    port = _free_port()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "serve", "--port", str(port)],
            env=environment,
            cwd=tmp_path,
            stderr=errors,
        )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            eventually(lambda: _answers(http), seconds=60, what="the server has not started")
            other = Caller(http, caller.project_id, caller.secret)
            for method, path, body in BODIES:
                answer = other.request(method, path, json=body)
                assert 400 <= answer.status_code < 500, answer.text
                assert CANARY not in answer.text
            upload = other.upload(f"{CANARY}\xff".encode("latin-1"))
            assert upload.status_code == 422
            assert CANARY not in upload.text
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in {0, -signal.SIGTERM}
    logged = log.read_text()
    assert "request_answered" in logged
    assert CANARY not in logged
    assert caller.secret not in logged


def _free_port() -> int:
    import socket

    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def _answers(http: httpx2.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False
