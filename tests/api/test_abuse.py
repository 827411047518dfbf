"""What a client without a key, or with one, can send to keep others from being answered."""

import contextlib
import socket
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import pytest

from api.http_protocol import HEAD_BYTES_LIMIT, HEADERS_LIMIT, PIPELINE_LIMIT
from api.rate_limits import TokenBuckets
from service.settings import Settings
from tests.api.problems import problem_of
from tests.api.server import Api, Caller, serve
from tests.support.eventually import eventually
from tests.support.logs import captured_logs

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
MEGABYTES = 60


@contextlib.contextmanager
def _connected(api: Api) -> Iterator[socket.socket]:
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=300) as connection:
        yield connection


def _sent(connection: socket.socket, pieces: Iterable[bytes]) -> int:
    """Send until the server closes; return how many bytes went out."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            connection.sendall(piece)
            sent += len(piece)
    return sent


def _answer(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


def _header_lines(megabytes: int) -> Iterator[bytes]:
    line = b"X-Short: 1\r\n" * 5000
    for _ in range(megabytes * 1_000_000 // len(line)):
        yield line


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("short headers", [GET, *_header_lines(MEGABYTES)]),
        ("one long header", [GET, b"X-Long: ", *[b"x" * 1_000_000] * MEGABYTES]),
        ("one long path", [b"GET /", *[b"x" * 1_000_000] * MEGABYTES]),
        ("trailers", [POST, b"\r\n0\r\n", *_header_lines(MEGABYTES)]),
        ("a chunk's extension", [POST, b"\r\n5;", *[b"x" * 1_000_000] * MEGABYTES]),
    ],
)
def test_a_head_without_end_is_cut_off(api: Api, name: str, pieces: list[bytes]) -> None:
    with _connected(api) as connection:
        # What the two sockets buffer is sent all the same.
        assert _sent(connection, pieces) < MEGABYTES * 1_000_000 / 2, name
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: 1\r\n" * HEADERS_LIMIT + b"\r\n",
        GET + b"X: " + b"x" * HEAD_BYTES_LIMIT + b"\r\n\r\n",
        b"GET /" + b"x" * HEAD_BYTES_LIMIT + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_a_head_over_the_limits_is_answered_with_431(api: Api, head: bytes) -> None:
    with captured_logs() as logs, _connected(api) as connection:
        connection.sendall(head)
        answer = _answer(connection)

    [entry] = [each for each in logs if each["event"] == "request_refused"]
    assert (entry["status"], entry["address"]) == (431, "127.0.0.1")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code": "head_too_large"' in answer


def test_a_head_within_the_limits_is_answered(api: Api) -> None:
    head = GET + b"X: 1\r\n" * (HEADERS_LIMIT - 3) + b"Y: " + b"x" * (HEAD_BYTES_LIMIT // 2)
    with _connected(api) as connection:
        connection.sendall(head + b"\r\nConnection: close\r\n\r\n")
        assert _answer(connection).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_a_problem_too(api: Api) -> None:
    with _connected(api) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = _answer(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: 1\r\n Content-Length: 5\r\n",
        b"X: a\0b\r\n",
        b"X: a\rSet-Cookie: b\r\n",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused(api: Api, head: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
    with _connected(api) as connection:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n" + smuggled)
        connection.shutdown(socket.SHUT_WR)
        answer = _answer(connection)

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ")) or not answer
    assert b"degraded" not in answer


@pytest.mark.parametrize("sent", ["a" * 65, "x\u00e9y12345", "a b c d e", '"><script>', "short"])
def test_a_request_id_that_is_no_plain_word_is_not_repeated(api: Api, sent: str) -> None:
    answer = api.get("/healthz", headers={"X-Request-Id": sent.encode()})

    assert answer.headers["X-Request-Id"].startswith("req_")


def test_requests_sent_ahead_are_answered_up_to_a_number(api: Api) -> None:
    with _connected(api) as connection:
        connection.sendall((GET + b"\r\n") * 5 + GET + b"Connection: close\r\n\r\n")
        assert _answer(connection).count(b"HTTP/1.1 200 ") == 6
    with _connected(api) as connection:
        connection.sendall((GET + b"\r\n") * 5000)
        assert _answer(connection).count(b"HTTP/1.1 200 ") <= 2 * PIPELINE_LIMIT


def test_half_sent_requests_make_room_for_whole_ones(settings: Settings) -> None:
    tight = settings.model_copy(update={"connections_limit": 20})
    with serve(tight) as api, contextlib.ExitStack() as held:
        caller = api.caller()
        half_sent = [held.enter_context(_connected(api)) for _ in range(300)]
        for connection in half_sent:
            _sent(connection, [b"GET /v1/jobs HTTP/1.1\r\nHost"])

        assert api.get("/healthz").status_code == 200
        assert caller.get("/v1/jobs").status_code == 200
        assert _answer(half_sent[0]) == b""


def test_connections_that_are_all_at_work_leave_no_room(settings: Settings) -> None:
    tight = settings.model_copy(update={"connections_limit": 10})
    with serve(tight) as api, contextlib.ExitStack() as held:
        secret = api.caller().secret.encode()
        for _ in range(10):
            connection = held.enter_context(_connected(api))
            connection.sendall(
                b"GET /v1/events/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n"
                % secret
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        with _connected(api) as one_more:
            assert _answer(one_more).startswith(b"HTTP/1.1 503 ")


def test_a_head_that_stops_is_given_up(settings: Settings) -> None:
    hasty = settings.model_copy(update={"head_seconds": 0.2})
    with serve(hasty) as api, _connected(api) as silent, _connected(api) as half_sent:
        half_sent.sendall(GET)
        assert _answer(half_sent).startswith(b"HTTP/1.1 408 ")
        assert _answer(silent) == b""


def test_nothing_of_a_body_is_read_before_the_key(api: Api) -> None:
    for header in (b"", b"Authorization: Bearer tunecurve_unknown\r\n"):
        with _connected(api) as connection:
            connection.sendall(
                b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000000\r\nExpect: 100-continue\r\n" + header + b"\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_key_that_asks_too_often_learns_when_to_come_back(settings: Settings) -> None:
    with serve(settings.model_copy(update={"requests_per_second": 1.0})) as api:
        flooding, other = api.caller(), api.caller()
        assert other.get("/v1/jobs").status_code == 200

        refused = next(
            answer
            for answer in (flooding.get("/v1/jobs") for _ in range(100))
            if answer.status_code == 429
        )

        problem_of(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        assert other.get("/v1/jobs").status_code == 200
        assert {api.get(path).status_code for path in ("/healthz", "/readyz")} == {200}
        eventually(lambda: flooding.get("/v1/jobs").status_code == 200, what="it stays refused")


def test_guessing_keys_slows_down_no_key_that_is_known(settings: Settings) -> None:
    with serve(settings.model_copy(update={"requests_per_second": 1.0})) as api:
        known = api.caller()
        assert known.get("/v1/jobs").status_code == 200
        statuses = [
            api.get("/v1/jobs", headers={"Authorization": f"Bearer guess{number}"}).status_code
            for number in range(100)
        ]

        assert set(statuses) == {401, 429}
        assert known.get("/v1/jobs").status_code == 200


def test_a_revoked_key_is_refused_at_once(api: Api, caller: Caller) -> None:
    other = api.caller()
    key_id = other.get("/v1/me").json()["key"]
    assert caller.delete(f"/v1/keys/{key_id}").status_code == 204

    problem_of(other.get("/v1/jobs"), 401, "unauthenticated")


def test_a_bucket_holds_a_burst_and_refills() -> None:
    buckets = TokenBuckets(2, burst=3)

    assert [buckets.take("a", now=0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", now=0) == 0
    assert [buckets.take("a", now=1) for _ in range(3)] == [0, 0, 0.5]
    assert [buckets.take("a", now=100) for _ in range(4)] == [0, 0, 0, 0.5]
    assert not any(TokenBuckets(0, burst=0).take("a", now=0) for _ in range(10))
