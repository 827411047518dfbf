"""Middleware: HEAD, the request id, limits of the body, the handler of uncaught exceptions."""

import re
import time
import uuid
from collections.abc import Callable

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_response
from service.unexpected_errors import unexpected, where_raised

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class HeadAsGet:
    """Answers HEAD as GET would be answered, and ends the work once the headers are known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        with anyio.CancelScope() as work:

            async def only_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b""})
                    work.cancel()

            await self._app({**scope, "method": "GET"}, receive, only_headers)


class RequestContext:
    """Gives each request an id, logs its outcome and answers uncaught exceptions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.monotonic(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except ClientDisconnect:
                log.info("client_left", route=_route(scope))
            except Exception as error:  # noqa: BLE001  the outermost edge
                log.error(  # noqa: TRY400  the error's text may hold what the client sent
                    "request_failed", error=unexpected(error), frames=where_raised(error)
                )
                if status:
                    raise ConnectionAbortedError from None  # half an answer must not look whole
                await _internal_error(scope)(scope, receive, answer)
            _note(scope, status, started)


def _request_id(sent: str) -> str:
    return sent if _REQUEST_ID.fullmatch(sent) else f"req_{uuid.uuid4().hex}"


def _internal_error(scope: Scope) -> ASGIApp:
    return problem_response(
        500,
        "internal",
        title="Internal error",
        detail="the server failed; its log has this request_id",
        scope=scope,
    )


def _note(scope: Scope, status: int, started: float) -> None:
    """Reads that went well and what a flood gets say little: they are logged at debug."""
    quiet = (scope["method"] == "GET" and status < 400) or status == 429  # noqa: PLR2004  HTTP's
    note = log.debug if quiet else log.info
    note(
        "request_answered",
        method=scope["method"],
        route=_route(scope),
        status=status,
        milliseconds=round((time.monotonic() - started) * 1000),
        **_who(scope),
    )


def _who(scope: Scope) -> dict[str, str | None]:
    """Return whose request it was: the key and its project where one was accepted."""
    principal = scope["state"].get("principal")
    return {
        "key": getattr(principal, "key_id", None),
        "project": getattr(principal, "project_id", None),
        "address": (scope.get("client") or (None,))[0],
    }


def _route(scope: Scope) -> str:
    """Return the route's template: paths and queries may hold what a client typed."""
    return getattr(scope.get("route"), "path", "")


class BodyLimit:
    """Refuses a body over `limit_of(scope)` bytes, before it is read where it says its length,
    one of which nothing arrives for `idle_seconds`, and one that after this time has come more
    slowly than with `bytes_per_second`. Only the client's own time counts.

    The framework's own limit answers in plain text, past the handlers of errors.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit_of: Callable[[Scope], int],
        idle_seconds: float,
        bytes_per_second: float,
    ) -> None:
        self._app = app
        self._limit_of = limit_of
        self._idle_seconds = idle_seconds
        self._bytes_per_second = bytes_per_second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope)
        declared = Headers(scope=scope).get("content-length", "0")
        seen = int(declared) if declared.isdigit() and int(declared) > limit else 0

        complete, waited = False, 0.0

        async def counted() -> Message:
            nonlocal seen, complete, waited
            if seen > limit:
                raise HTTPException(413)
            if complete:
                return await receive()
            started = time.monotonic()
            message = await self._receive(receive)
            waited += time.monotonic() - started
            complete = not message.get("more_body")
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413)
            if not complete and self._is_slow(seen, waited):
                raise _stopped()
            return message

        await self._app(scope, counted, send)

    async def _receive(self, receive: Receive) -> Message:
        try:
            with anyio.fail_after(self._idle_seconds):
                return await receive()
        except TimeoutError:
            raise _stopped() from None

    def _is_slow(self, seen: int, waited: float) -> bool:
        return waited > self._idle_seconds and seen < waited * self._bytes_per_second


def _stopped() -> HTTPException:
    return HTTPException(408, headers={"Connection": "close"})
