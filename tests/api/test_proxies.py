"""Behind nginx and Caddy with TLS: uploads, event streams, ETags and webhooks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from fastapi import Request
from standardwebhooks import Webhook

from service.clock import utc_now
from service.migrations.upgrade import upgrade
from service.settings import Settings
from service.webhooks.addresses import url_rules
from service.webhooks.sender import WebhookSender
from service.webhooks.signatures import derive_secret, sign
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller, serve
from tests.service.webhooks.receivers import receiving
from tests.support.proxies import PROXIES, Proxy, start_proxy


@pytest.fixture(scope="module", params=PROXIES)
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Api, Proxy]]:
    folder = tmp_path_factory.mktemp(request.param)
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        redis_url="unix:///nonexistent/redis.sock",
        upload_bytes_limit=8 << 20,
    )
    upgrade(settings.resolved_database_url)
    with (
        serve(settings) as api,
        start_proxy(
            request.param, folder / "proxy", upstream=api.url.removeprefix("http://")
        ) as proxy,
    ):
        yield api, proxy


@pytest.fixture
def outside(proxied: tuple[Api, Proxy]) -> Iterator[Caller]:
    """A caller that reaches the API through the proxy only."""
    api, proxy = proxied
    with httpx2.Client(
        base_url=proxy.url, verify=proxy.trusted, timeout=300, trust_env=False
    ) as http:
        yield replace(api.caller(), http=http)


def test_an_upload_arrives_whole_and_a_larger_one_is_refused(outside: Caller) -> None:
    rows = b"text,target\r\n" + b"good,positive\r\n" * 250_000
    kept = outside.upload(rows)

    assert kept.status_code == 201, kept.text
    assert outside.get(f"/v1/files/{kept.json()['id']}/content").content == rows
    assert outside.upload(rows * 3).status_code == 413


def test_a_wrong_key_is_refused_before_the_body_is_sent(outside: Caller) -> None:
    stranger = replace(outside, secret="tunecurve_unknown")

    problem_of(stranger.upload(b"text\r\nx\r\n"), 401, "unauthenticated")


def test_an_event_comes_while_the_stream_is_open(outside: Caller) -> None:
    job = outside.submit("prepare", PREPARE)
    headers = {"Authorization": f"Bearer {outside.secret}"}
    with outside.http.stream("GET", "/v1/events/stream", headers=headers) as answer:
        lines = answer.iter_lines()
        assert any(job["id"] in line for line in lines)
        outside.post(f"/v1/jobs/{job['id']}/cancel")
        assert any("job.cancelled" in line for line in lines)


def test_an_etag_passes_unchanged(outside: Caller) -> None:
    job = outside.submit("prepare", PREPARE)
    first = outside.get(f"/v1/jobs/{job['id']}", headers={"Accept-Encoding": "gzip"})
    again = outside.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["ETag"].startswith('"')
    assert again.status_code == 304


def test_a_client_cannot_say_where_it_comes_from(
    outside: Caller, proxied: tuple[Api, Proxy]
) -> None:
    seen: list[str] = []
    api, _ = proxied

    @api.app.get("/seen")
    def note(request: Request) -> dict[str, str]:
        seen.append(f"{request.url.scheme} {request.client.host if request.client else ''}")
        return {}

    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    assert outside.get("/seen", headers=forged).status_code == 200
    assert seen == ["https 127.0.0.1"]


@pytest.mark.parametrize("name", PROXIES)
def test_a_webhook_to_a_receiver_behind_a_proxy_keeps_its_signature(
    name: str, tmp_path: Path
) -> None:
    body = b'{"type":"job.succeeded"}'
    secret = derive_secret("master", webhook_id="wh_1", generation=1)
    headers = sign(body, message_id="evt_1", timestamp=utc_now(), secrets=[secret])
    with (
        receiving() as receiver,
        start_proxy(name, tmp_path / "proxy", upstream=f"127.0.0.1:{receiver.port}") as proxy,
    ):
        rules = url_rules(allow_networks=[f"127.0.0.1:{proxy.port}"])
        sender = WebhookSender(rules, ssl_context=proxy.trusted, resolver=lambda *_: ["127.0.0.1"])
        sent = sender.send(f"https://localhost:{proxy.port}/hook", body, headers=headers)

    assert sent.succeeded, sent
    (received,) = receiver.received
    assert Webhook(secret).verify(received.body, received.headers)["type"] == "job.succeeded"
