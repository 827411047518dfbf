"""What one connection may hold before the caller is known: bytes of a request's head,
requests sent ahead, and time. httptools and uvicorn bound none of these.
"""

import asyncio
import json
from collections import OrderedDict
from enum import Enum, auto
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = structlog.get_logger()

HEAD_BYTES_LIMIT = 64 * 1024
HEADERS_LIMIT = 200
PIPELINE_LIMIT = 16
LINGER_SECONDS = 30.0  # for what is left of a body that was answered before its end
UNREAD_SECONDS = 60.0  # for a client that does not read its answer

_FULL = 503
_TITLES = {
    400: ("invalid_http", "The request is not valid HTTP"),
    408: ("head_stopped", "The head of the request stopped arriving"),
    431: ("head_too_large", "The head of the request is larger than allowed"),
    _FULL: ("too_many_connections", "Too many connections are open"),
}


class _Phase(Enum):
    IDLE = auto()
    HEAD = auto()
    ANSWERING = auto()
    LINGERING = auto()


class _TooLargeError(Exception):
    """Raised inside the parser, which turns it into an error of its own."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `waiting` are all connections without a whole request, oldest first: they
    make room when `connections_limit` are open.
    """

    connections_limit: int
    head_seconds: float
    waiting: "OrderedDict[BoundedProtocol, None]"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._phase = _Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._bytes_beside_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.connections_limit and not self._make_room():
            self._refuse(_FULL)
            return
        self._enter(_Phase.HEAD, seconds=self.head_seconds)

    def _make_room(self) -> bool:
        """Drop the connection that has waited longest; return whether there was one."""
        if not self.waiting:
            return False
        oldest, _ = self.waiting.popitem(last=False)
        oldest.transport.abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.resume_writing()
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._phase is _Phase.IDLE:
            self._enter(_Phase.HEAD, seconds=self.head_seconds)
        self._bytes_beside_body += len(data)
        super().data_received(data)
        if self._bytes_beside_body > HEAD_BYTES_LIMIT and not self.transport.is_closing():
            self._refuse(431)

    # ------------------------------------------------------------ what the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self.headers) >= HEADERS_LIMIT:
            self._head_bytes = HEAD_BYTES_LIMIT + 1
            raise _TooLargeError
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_LIMIT:
            raise _TooLargeError

    def on_headers_complete(self) -> None:
        self._bytes_beside_body = 0
        if len(self.pipeline) >= PIPELINE_LIMIT:
            raise _TooLargeError
        self._enter(_Phase.ANSWERING)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes_beside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bytes_beside_body = 0
        super().on_message_complete()
        if self._phase is _Phase.LINGERING:
            self._enter(_Phase.IDLE, seconds=self.timeout_keep_alive)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  ours says it as a problem
        self._refuse(431 if self._head_bytes > HEAD_BYTES_LIMIT else 400)

    # ------------------------------------------------------------ the answer

    def on_response_complete(self) -> None:
        follows = bool(self.pipeline)
        super().on_response_complete()
        if follows or self.transport.is_closing():
            return
        if self.cycle.more_body:
            self._enter(_Phase.LINGERING, seconds=LINGER_SECONDS)
        else:
            self._enter(_Phase.IDLE, seconds=self.timeout_keep_alive)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().resume_writing()

    # ------------------------------------------------------------ time

    def _enter(self, phase: _Phase, *, seconds: float | None = None) -> None:
        self._phase = phase
        self._disarm()
        if phase is _Phase.ANSWERING:
            self.waiting.pop(self, None)
        else:
            self.waiting.setdefault(self)
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._on_time_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time_up(self) -> None:
        if self._phase is _Phase.HEAD and self._bytes_beside_body:
            self._refuse(408)
        else:
            self.transport.abort()

    def _refuse(self, status: int) -> None:
        """Answer with a problem document and close; inside of an answer there is only the close."""
        if self._phase is _Phase.ANSWERING:
            self.transport.abort()
            return
        code, title = _TITLES[status]
        note = log.debug if status == _FULL else log.info  # a flood says little
        note("request_refused", status=status, address=(self.client or (None,))[0])
        document = {
            "type": f"urn:tunecurve:error:{code}",
            "title": title,
            "status": status,
            "detail": title[0].lower() + title[1:],
            "code": code,
            "request_id": "",
            "errors": [],
        }
        body = json.dumps(document).encode()
        head = (
            STATUS_LINE[status],
            b"content-type: application/problem+json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
        )
        self.transport.write(b"".join((*head, body)))
        self.transport.close()
        # A client that does not read must not keep it open.
        self._disarm()
        self._timer = self.loop.call_later(self.head_seconds, self.transport.abort)


def bounded_protocol(*, connections: int, head_seconds: float) -> type[BoundedProtocol]:
    """Return the protocol of one server, whose connections share the limit."""
    shared = {
        "connections_limit": connections,
        "head_seconds": head_seconds,
        "waiting": OrderedDict(),
    }
    return type("BoundedProtocol", (BoundedProtocol,), shared)
