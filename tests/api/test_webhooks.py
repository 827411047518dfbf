"""Webhooks over HTTP: endpoints, secrets, deliveries."""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from service.clock import utc_now
from service.settings import Settings
from service.webhooks.deliveries import deliver, due_deliveries
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, Json, serve
from tests.service.webhooks.receivers import Reply, receiving


def _added(caller: Caller, url: str, **more: Any) -> Json:
    answer = caller.post("/v1/webhooks", {"url": url, **more})
    assert answer.status_code == 201, answer.text
    webhook: Json = answer.json()
    return webhook


def _deliver_due(api: Api) -> None:
    """Be the worker that sends what is due."""
    services, now = api.services, utc_now()
    for delivery_id in due_deliveries(now, 100, sessions=services.sessions):
        deliver(
            delivery_id,
            sessions=services.sessions,
            sender=services.sender,
            secrets=services.webhook_secrets,
            now=lambda: now,
        )


def test_an_endpoint_is_added_shown_and_deleted(caller: Caller) -> None:
    answer = caller.post("/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "description": "mine"})

    webhook = answer.json()
    path = f"/v1/webhooks/{webhook['id']}"
    assert answer.headers["Location"] == path
    assert answer.headers["ETag"] == '"1"'
    assert webhook.pop("secret").startswith("whsec_")
    assert caller.get(path).json() == webhook
    assert caller.get(path).headers["ETag"] == '"1"'
    assert caller.get("/v1/webhooks").json()["data"] == [webhook]
    assert caller.delete(path).status_code == 204
    problem_of(caller.get(path), 404, "webhook_not_found")
    problem_of(caller.delete(path), 404, "webhook_not_found")


def test_endpoints_are_listed_page_by_page(caller: Caller) -> None:
    made = [_added(caller, f"http://127.0.0.1:9/{number}")["id"] for number in range(3)]

    first = caller.get("/v1/webhooks", params={"limit": 2}).json()
    second = caller.get(first["next"]).json()

    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]


@pytest.mark.parametrize(
    "url",
    ["nonsense", "ftp://example.com/", "https://localhost/", "https://10.0.0.1/", "https://[::1]/"],
)
def test_a_url_that_leads_nowhere_or_inside_is_refused(caller: Caller, url: str) -> None:
    answer = caller.post("/v1/webhooks", {"url": url})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == "/url"


def test_unknown_event_types_are_refused_with_their_place(caller: Caller) -> None:
    answer = caller.post(
        "/v1/webhooks", {"url": "http://127.0.0.1:9/", "event_types": ["job.*", "job.danced"]}
    )

    problem = problem_of(answer, 422, "validation_failed")
    assert [fault["pointer"] for fault in problem["errors"]] == ["/event_types/1"]


def test_a_change_says_which_version_it_is_meant_for(caller: Caller) -> None:
    path = f"/v1/webhooks/{_added(caller, 'http://127.0.0.1:9/')['id']}"

    def change(if_match: str | None, description: str) -> Any:
        headers = {} if if_match is None else {"If-Match": if_match}
        return caller.request("PATCH", path, json={"description": description}, headers=headers)

    problem_of(change(None, "none"), 428, "precondition_required")
    changed = change('"1"', "first")
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["description"] == "first"
    problem_of(change('"1"', "stale"), 412, "precondition_failed")
    problem_of(change("nonsense", "stale"), 412, "precondition_failed")
    assert change("*", "any").headers["ETag"] == '"3"'


@pytest.mark.parametrize("sent", ['W/"1"', '"1-gzip"', 'W/"1-br"', '"1--gzip"', '"7", W/"1"'])
def test_a_version_that_a_compressing_proxy_has_marked_is_the_same(
    caller: Caller, sent: str
) -> None:
    path = f"/v1/webhooks/{_added(caller, 'http://127.0.0.1:9/')['id']}"

    changed = caller.request("PATCH", path, json={"description": "new"}, headers={"If-Match": sent})

    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    stale = caller.request("PATCH", path, json={"description": "old"}, headers={"If-Match": sent})
    problem_of(stale, 412, "precondition_failed")


def test_a_ping_is_sent_now_and_its_outcome_returned(caller: Caller) -> None:
    with receiving(Reply(status=503, body=b"not today")) as receiver:
        webhook = _added(caller, receiver.url)
        answer = caller.post(f"/v1/webhooks/{webhook['id']}/ping")

    attempt = answer.json()["last_attempts"][0]
    assert answer.status_code == 200, answer.text
    assert (attempt["status"], attempt["response"]) == (503, "not today")
    assert len(receiver.received) == 1


def test_a_ping_that_hangs_holds_up_one_key_alone(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as threads:
        webhook = _added(caller, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        path = f"/v1/webhooks/{webhook['id']}/ping"
        hanging = threads.submit(caller.post, path)
        connection, _ = silent.accept()
        problem_of(caller.post(path), 429, "too_many_pings")
        assert caller.get("/v1/webhooks").status_code == 200
        connection.close()
        assert hanging.result().json()["last_attempts"][0]["status"] is None


def test_a_rotated_secret_signs_beside_the_old_one(caller: Caller) -> None:
    with receiving() as receiver:
        webhook = _added(caller, receiver.url)
        path = f"/v1/webhooks/{webhook['id']}"
        rotated = caller.post(f"{path}/rotate-secret", {"overlap_seconds": 60})
        caller.post(f"{path}/ping")

    (message,) = receiver.received
    assert rotated.status_code == 200, rotated.text
    assert rotated.json()["secret"] != webhook["secret"]
    for secret in (webhook["secret"], rotated.json()["secret"]):
        assert Verifier(secret).verify(message.body, message.headers)["type"] == "webhook.ping"


def test_a_rotation_needs_no_body(caller: Caller) -> None:
    webhook = _added(caller, "http://127.0.0.1:9/")

    answer = caller.post(f"/v1/webhooks/{webhook['id']}/rotate-secret")

    assert answer.status_code == 200, answer.text
    assert answer.json()["previous_secret_until"] is not None


def test_deliveries_are_listed_and_sent_again(api: Api, caller: Caller) -> None:
    with receiving(Reply(status=410), Reply()) as receiver:
        webhook = _added(caller, receiver.url, event_types=["job.created"])
        path = f"/v1/webhooks/{webhook['id']}"
        job = caller.submit("prepare", PREPARE)
        _deliver_due(api)
        (failed,) = caller.get(f"{path}/deliveries", params={"state": "failed"}).json()["data"]
        disabled = caller.post(f"{path}/redeliver", {"delivery_ids": [failed["id"]]})
        enable = {"state": "enabled"}
        caller.request("PATCH", path, json=enable, headers={"If-Match": "*"})
        again = caller.post(f"{path}/redeliver", {"since": "2026-01-01T00:00:00Z"})
        _deliver_due(api)

    problem_of(disabled, 409, "webhook_disabled")
    assert failed["event_type"] == "job.created"
    assert (again.status_code, again.json()) == (202, {"count": 1})
    (delivered,) = caller.get(f"{path}/deliveries", params={"state": "delivered"}).json()["data"]
    assert delivered["id"] == failed["id"]
    sent = Verifier(webhook["secret"]).verify(
        receiver.received[-1].body, receiver.received[-1].headers
    )
    assert sent["job"] == job["id"]


def test_redelivery_wants_ids_or_a_time(caller: Caller) -> None:
    path = f"/v1/webhooks/{_added(caller, 'http://127.0.0.1:9/')['id']}/redeliver"

    problem_of(caller.post(path, {}), 422, "validation_failed")
    problem_of(caller.post(path, {"delivery_ids": ["x"]}), 422, "validation_failed")


def test_without_a_master_key_there_are_no_webhooks(settings: Settings) -> None:
    bare = settings.model_copy(update={"master_key": type(settings.master_key)("")})
    with serve(bare) as api:
        answer = api.caller().post("/v1/webhooks", {"url": "http://127.0.0.1:9/"})

    problem = problem_of(answer, 503, "master_key_missing")
    assert "TUNECURVE_MASTER_KEY" in problem["detail"]
