"""Answers that are sent for a while, streams and downloads alike, end with the key they go to."""

import asyncio
from collections.abc import Callable

import anyio
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import secret_of
from service.database import Sessions
from service.errors import Unauthenticated, Unavailable
from service.projects.operations import authenticate

log = structlog.get_logger()

CHECK_SECONDS = 3.0
_EVENTS = "text/event-stream"


class KeyWatch:
    """Cuts an answer off within seconds of its key's revocation or expiry, or of the beginning of
    its project's erasure.

    A download then looks broken, as it must; an event stream may end anywhere.
    """

    def __init__(self, app: ASGIApp, *, sessions: Callable[[], Sessions]) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        secret = secret_of(scope) if scope["type"] == "http" else ""
        if not secret:
            await self._app(scope, receive, send)
            return
        watch: asyncio.Task[None] | None = None
        media_type = ""

        async def answer(message: Message) -> None:
            nonlocal watch, media_type
            if message["type"] == "http.response.start":
                media_type = Headers(raw=message["headers"]).get("content-type", "")
            elif watch is None and message.get("more_body"):
                watch = asyncio.create_task(self._end_with(secret, answering))
            await send(message)

        with anyio.CancelScope() as answering:
            try:
                await self._app(scope, receive, answer)
            finally:
                if watch is not None:
                    watch.cancel()
        if answering.cancelled_caught and media_type.startswith(_EVENTS):
            await send({"type": "http.response.body", "body": b""})

    async def _end_with(self, secret: str, answering: anyio.CancelScope) -> None:
        """Return once the key opens nothing anymore; a database that is away proves nothing."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await run_in_threadpool(authenticate, secret, sessions=self._sessions())
            except Unavailable:
                continue
            except Unauthenticated:
                log.info("answer_ended_with_key")
                answering.cancel()
                return
