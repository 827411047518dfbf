"""A local HTTP proxy that can lose a request or its answer, or answer something else."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal

import httpx2

from tests.support.plain_http import NO_TLS

Fault = Literal["request", "answer", "late"]


class FaultyProxy:
    """Forwards to `upstream`; `lose_next` drops the next POST before or after it is forwarded, or
    has it come late: its connection ends, and `deliver_late` forwards it.

    `answer_next` answers the next request of a method with an error; that of a POST comes after
    the request was forwarded, that of a GET in its place.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.statuses: dict[str, list[int]] = {"GET": [], "POST": []}
        self.late: list[Callable[[], object]] = []
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def lose_next(self, fault: Fault) -> None:
        self.faults.append(fault)

    def answer_next(self, method: str, status: int) -> None:
        self.statuses[method].append(status)

    def empty_next_list(self) -> None:
        """Answer the next GET as a list that names nothing yet."""
        self.statuses["GET"].append(200)

    def deliver_late(self) -> None:
        """Forward the requests that come late; who sent them hears nothing of it."""
        while self.late:
            self.late.pop()()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[FaultyProxy]

    def do_GET(self) -> None:  # the name http.server looks for
        if statuses := self.proxy.statuses["GET"]:
            self._answer_error(statuses.pop(0))
        else:
            self._answer(self._read()())

    def do_POST(self) -> None:
        fault = self.proxy.faults.pop(0) if self.proxy.faults else None
        if fault == "request":
            self._drop()
            return
        forward = self._read()
        if fault == "late":
            self.proxy.late.append(forward)
            self._drop()
            return
        answer, statuses = forward(), self.proxy.statuses["POST"]
        if fault == "answer":
            self._drop()
        elif statuses:
            self._answer_error(statuses.pop(0))
        else:
            self._answer(answer)

    def _read(self) -> Callable[[], httpx2.Response]:
        """Return how to forward the request, which is read."""
        return partial(
            httpx2.request,
            self.command,
            f"{self.proxy.upstream}{self.path}",
            content=self.rfile.read(int(self.headers.get("content-length") or 0)),
            headers={"content-type": self.headers.get("content-type") or ""},
            timeout=300,
            verify=NO_TLS,
        )

    def _answer(self, answer: httpx2.Response) -> None:
        self._send(answer.status_code, answer.headers.get("content-type", ""), answer.content)

    def _answer_error(self, status: int) -> None:
        error: object = (
            {}
            if status == HTTPStatus.OK
            else {"error": {"code": status, "message": "an odd answer"}}
        )
        self._send(status, "application/json", json.dumps(error).encode())

    def _send(self, status: int, content_type: str, content: bytes) -> None:
        self.send_response(status, "odd")
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its signature
        """Say nothing: standard error belongs to the tests."""


@contextlib.contextmanager
def start_faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
