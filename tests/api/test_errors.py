"""Errors over HTTP: always problem documents, never what was sent."""

import contextlib
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from service.jobs.queries import get_job
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller
from tests.support.eventually import eventually
from tests.support.ports import reserved_port
from tests.support.processes import Process, start_process

CANARY = "canary-4111111111111111"


# -------------------------------------------------------------------------- the framework's own


def test_an_unknown_path_is_aproblem_of(caller: Caller) -> None:
    problem_of(caller.get("/v1/nothing"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("PATCH", "/v1/files", "GET, HEAD, POST"),
        ("POST", f"/v1/datasets/ds_{'0' * 26}", "GET, HEAD, DELETE"),
        ("PUT", f"/v1/webhooks/wh_{'0' * 26}", "GET, HEAD, PATCH, DELETE"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ],
)
def test_a_wrong_method_names_all_that_are_allowed(
    caller: Caller, method: str, path: str, allowed: str
) -> None:
    answer = caller.request(method, path)

    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("content", [b"{", b'{"kind": ', b"\xff\xfe{}", b"[" * 100_000])
def test_what_is_not_json_is_reported_as_such(caller: Caller, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    problem_of(
        caller.request("POST", "/v1/jobs", content=content, headers=headers), 400, "invalid_json"
    )


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_json_must_be_said_to_be_json(caller: Caller, media_type: str) -> None:
    answer = caller.request(
        "POST", "/v1/jobs", content=b'{"kind": "poll"}', headers={"Content-Type": media_type}
    )

    problem_of(answer, 415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused_with_and_without_its_length(caller: Caller) -> None:
    body = b'{"labels": {"a": "' + b"x" * (2 << 20) + b'"}}'
    headers = {"Content-Type": "application/json"}

    said = caller.request("POST", "/v1/jobs", content=body, headers=headers)
    chunked = caller.request(
        "POST", "/v1/jobs", content=iter([body[: 1 << 19]] * 5), headers=headers
    )

    problem_of(said, 413, "too_large")
    problem_of(chunked, 413, "too_large")


def test_the_request_id_is_taken_over_when_it_is_proper(caller: Caller) -> None:
    answer = caller.get("/v1/nothing", headers={"X-Request-Id": "nightly.run-42"})

    assert problem_of(answer, 404, "not_found")["request_id"] == "nightly.run-42"


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
    row = get_job(answer.json()["id"], project_id=caller.project_id, sessions=api.services.sessions)
    assert row.request_id == "nightly.run-42"


# ------------------------------------------------------------------------------------- silence


def test_a_failure_of_ours_says_nothing_about_itself(api: Api, caller: Caller) -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    api.app.add_api_route("/fail", fail)
    problem = problem_of(caller.get("/fail"), 500, "internal")

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


def test_what_was_sent_is_neither_echoed_nor_logged(
    database_url: str, tmp_path: Path, api: Api, caller: Caller
) -> None:
    log = tmp_path / "api.log"
    environment = {
        "TUNECURVE_DATA_DIR": str(tmp_path),
        "TUNECURVE_DATABASE_URL": database_url,
        "TUNECURVE_REDIS_URL": "unix:///nonexistent/redis.sock",
        "TUNECURVE_LOG_LEVEL": "debug",
    }
    with contextlib.ExitStack() as resources:
        port = resources.enter_context(reserved_port())
        with log.open("wb") as errors:
            process = start_process(
                "api", ["serve", "--port", str(port)], env=environment, output=errors, errors=errors
            )
        resources.callback(_end, process)
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=300
        ) as http:
            eventually(lambda: _answers(http), what="the server has not started")
            other = Caller(http, caller.project_id, caller.secret)
            for method, path, body in BODIES:
                answer = other.request(method, path, json=body)
                assert 400 <= answer.status_code < 500, answer.text
                assert CANARY not in answer.text
            upload = other.upload(f"{CANARY}\xff".encode("latin-1"), "application/jsonl")
            assert upload.status_code == 422
            assert CANARY not in upload.text
    logged = log.read_text()
    assert "request_answered" in logged
    assert CANARY not in logged
    assert caller.secret not in logged


def _end(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) in {0, -signal.SIGTERM}


def _answers(http: httpx2.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx2.TransportError:
        return False
