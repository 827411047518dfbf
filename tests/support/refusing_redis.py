"""A server that shakes hands as Redis does, and answers every command with the same line."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.serving import serving

_HANDSHAKE = {
    b"HELLO": b"%1\r\n+proto\r\n:3\r\n",
    b"CLIENT": b"+OK\r\n",
    b"SELECT": b"+OK\r\n",
    b"PING": b"+PONG\r\n",
}


class _Handler(socketserver.StreamRequestHandler):
    answer: bytes

    def handle(self) -> None:
        with suppress(OSError):
            while line := self.rfile.readline():
                words = [self._word() for _ in range(int(line[1:]))]
                self.wfile.write(_HANDSHAKE.get(words[0].upper(), self.answer))

    def _word(self) -> bytes:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2]


@contextmanager
def start_refusing_redis(line: str) -> Iterator[str]:
    """Yield the address of a server that answers with `line`, such as `-READONLY …`."""
    handler = type("Handler", (_Handler,), {"answer": f"{line}\r\n".encode()})
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False
    with serving(server):
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
