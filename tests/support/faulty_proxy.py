"""A local HTTP proxy that can lose a request or its answer, as networks do."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import httpx2

Fault = Literal["request", "answer"]


class FaultyProxy:
    """Forwards to `upstream`; `lose_next` drops the next POST before or after it is forwarded."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def lose_next(self, fault: Fault) -> None:
        self._faults.append(fault)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name http.server looks for
                self._forward(None)

            def do_POST(self) -> None:
                self._forward(proxy._faults.pop(0) if proxy._faults else None)

            def _forward(self, fault: Fault | None) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if fault == "request":
                    self._drop()
                    return
                answer = httpx2.request(
                    self.command,
                    f"{proxy._upstream}{self.path}",
                    content=body,
                    headers={"content-type": self.headers.get("content-type") or ""},
                    timeout=30,
                )
                if fault == "answer":
                    self._drop()
                    return
                self.send_response(answer.status_code)
                self.send_header("content-type", answer.headers.get("content-type", ""))
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def _drop(self) -> None:
                self.close_connection = True
                self.connection.close()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its signature
                """Say nothing: standard error belongs to the tests."""

        return Handler


@contextlib.contextmanager
def start_faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
