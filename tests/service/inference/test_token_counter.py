"""countTokens through Google's own client: against the emulator, and against what goes wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.errors import Forbidden, Invalid, NotFound, RateLimited, TunecurveError, Unavailable
from service.inference.generators.token_counter import VertexTokenCounter
from service.inference.operations import shut_down
from tests.support.emulator import start_emulator
from tests.support.serving import serving

MODEL = "gemini-3.1-flash-lite"


@pytest.fixture(autouse=True)
def _loop_ends() -> Iterator[None]:
    yield
    shut_down()


def counter_at(url: str) -> VertexTokenCounter:
    return VertexTokenCounter(project="p", locate=lambda _: "us", endpoint=url)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Serve one answer to everything, at the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_the_emulator_counts_every_text_in_order() -> None:
    texts = ["x" * 4 * number for number in range(1, 11)]

    with start_emulator() as emulator:
        counter = counter_at(emulator.url)
        counted = counter.count(texts, model=MODEL)

    assert counted == list(range(1, 11))
    assert counter.synthetic


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, RateLimited),
        (404, NotFound),
        (403, Forbidden),
        (400, Invalid),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_a_refusal_is_reported_without_the_text(status: int, kind: type[TunecurveError]) -> None:
    body = b'{"error": {"code": %d, "message": "a secret text", "status": "X"}}' % status

    with answering(status, body) as url, pytest.raises(kind) as raised:
        counter_at(url).count(["a secret text"] * 6, model=MODEL)

    assert str(status) in raised.value.message
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("body", [b"<html>", b'{"totalTokens": "many"}', b"[]"])
def test_an_answer_that_is_none_is_unavailable(body: bytes) -> None:
    with answering(200, body) as url, pytest.raises(Unavailable):
        counter_at(url).count(["a", "b"], model=MODEL)


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        counter_at("http://127.0.0.1:9").count(["a", "b"], model=MODEL)
