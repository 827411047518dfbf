"""A server that answers every request with the same bytes, and answers that no provider should."""

import json
import socketserver
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType

from tests.support.serving import serving


def answered(
    body: object = b"", *, status: int = HTTPStatus.OK, headers: str = "", length: int | None = None
) -> bytes:
    """Return an HTTP answer; a `length` other than that of the body is announced all the same."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    announced = len(content) if length is None else length
    head = f"HTTP/1.1 {status:d} odd\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {announced}\r\nConnection: close\r\n\r\n".encode() + content


_AWAY = HTTPStatus.SERVICE_UNAVAILABLE
# Of proxies, login pages, gateways and servers that are about to fall over.
UNREADABLE_ANSWERS = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "a page": answered(b"<html>log in</html>"),
    "a number": answered(5),
    "null": answered(None),
    "a list": answered([]),
    "a text": answered(""),
    "no UTF-8": answered(b"\xff\xfe"),
    "cut off": answered(b'{"name": "pro', length=500),
    "cut amid a chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"a":',
    "no gzip": answered(b"{", headers="Content-Encoding: gzip\r\n"),
    "JSON without end": answered(b"[" * 100_000),
    "an endless number": answered(b'{"size": ' + b"9" * 5000 + b"}"),
    "a redirect to nowhere": answered(status=302, headers="Location: http://[::1\r\n"),
    "an error in words": answered({"error": "upstream connect error"}, status=_AWAY),
    "an error of null": answered({"error": None}, status=_AWAY),
    "odd details": answered({"error": {"message": {"a": 1}, "details": ["b", None]}}, status=_AWAY),
}


class OddServer(socketserver.ThreadingTCPServer):
    """Gives `answer` to each connection, whatever was asked; a method may have one of its own."""

    daemon_threads = True
    answer = b""
    of_method: Mapping[bytes, bytes] = MappingProxyType({})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: OddServer

    def handle(self) -> None:
        length, method = 0, self.rfile.readline().partition(b" ")[0]
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        self.wfile.write(self.server.of_method.get(method, self.server.answer))


@contextmanager
def start_odd_server() -> Iterator[OddServer]:
    server = OddServer(("127.0.0.1", 0), _Handler)
    with serving(server):
        yield server
