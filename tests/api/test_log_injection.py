"""No name, header, label or path forges a line of the log, or moves the cursor of who reads it."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog

from service.logging import configure_logging
from tests.api.server import PREPARE, Api, Caller

HOSTILE = 'x\x1b[2J\x1b[31m\r\n{"event": "forged"}\x9b\u202e\u2028\x85\x7f'


@pytest.fixture(params=["json", "console"])
def log_format(request: pytest.FixtureRequest) -> Iterator[str]:
    configured = structlog.get_config()
    yield request.param
    structlog.configure(**configured)


def raw_requests(api: Api, caller: Caller) -> list[bytes]:
    """Return requests with hostile bytes that no client library would send."""
    port = int(api.url.rpartition(":")[2])
    key = f"Authorization: Bearer {caller.secret}\r\n".encode()
    answers = []
    for line, header in (
        (b"GET /v1/jobs HTTP/1.1", b"X-Request-Id: a\x1b[31m\x9b\r\n forged\r\n"),
        (b"GET /v1/jobs HTTP/1.1", "User-Agent: \x1b]0;a\x07\u202e\r\n".encode()),
        (b"GET /v1/jobs HTTP/1.1", b"X-Forwarded-For: \x1b[31m1.2.3.4\r\n"),
        (b"GET /v1/\x1b[31m\xe2\x80\xae HTTP/1.1", b""),
        (b"G\x1bT /v1/jobs HTTP/1.1", b""),
        (b"GET /v1/jobs?after=\x1b[31m HTTP/1.1", b""),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=300) as peer:
            peer.sendall(line + b"\r\nHost: a\r\nConnection: close\r\n" + key + header + b"\r\n")
            answers.append(peer.recv(1 << 16))
    return answers


def test_every_line_is_one_of_ours(
    api: Api, caller: Caller, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(log_format=log_format, level="debug")
    there = quote(HOSTILE)
    statuses = [
        caller.get(f"/v1/jobs/{there}").status_code,
        caller.get(f"/v1/jobs?label={there}").status_code,
        caller.get("/v1/jobs", headers={"X-Request-Id": "a%0d%0aforged"}).status_code,
        caller.post("/v1/jobs", {"kind": "prepare", "spec": PREPARE, "labels": {"a": HOSTILE}}),
        caller.post("/v1/jobs", {"kind": HOSTILE, "spec": {HOSTILE: HOSTILE}}),
        caller.post("/v1/keys", {"name": HOSTILE, "scopes": ["read"]}),
        caller.post("/v1/projects", {"name": HOSTILE}),
        caller.post("/v1/webhooks", {"url": f"https://a.example/{HOSTILE}"}),
        caller.upload(b"text\na\n", params={"name": HOSTILE}),
        caller.request("POST", "/v1/files", content=b"a", headers={"Content-Type": "a/%1b%0a"}),
    ]
    assert statuses
    assert raw_requests(api, caller)

    lines = capsys.readouterr().err.split("\n")

    assert len(lines) > len(statuses)
    assert [each for line in lines for each in line if not each.isprintable()] == []
    if log_format == "json":
        events = [json.loads(line)["event"] for line in lines if line]
        assert "request_answered" in events
        assert "forged" not in events
