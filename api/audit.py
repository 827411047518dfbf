"""What is written to the audit trail: every change, every export, every failed authentication."""

import re
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.rate_limits import TokenBuckets
from service.database import Session, Sessions
from service.errors import Unavailable
from service.projects.audit import write_entry

_EXPORTS = re.compile(r"/(content|report|tables/[^/]+)$")  # files with texts of rows
_REFUSED, _UNAUTHENTICATED = 400, 401
_FAILURES_PER_SECOND = 1 / 60  # of one address: a flood is one entry a minute


class AuditTrail:
    """Writes an entry before the answer goes out; the operation's id is its action.

    A new route that changes something is in the trail without a word of its own.
    """

    def __init__(self, app: ASGIApp, *, sessions: Callable[[], Sessions]) -> None:
        self._app = app
        self._sessions = sessions
        self._failures = TokenBuckets(_FAILURES_PER_SECOND, burst=3)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._is_audited(scope, status):
                    await run_in_threadpool(self._write, scope, status)
            await send(message)

        await self._app(scope, receive, answer)

    def _is_audited(self, scope: Scope, status: int) -> bool:
        if scope["state"].get("audited"):
            return False
        if status == _UNAUTHENTICATED:
            return not self._failures.take(_address(scope) or "", now=time.monotonic())
        if status >= _REFUSED or not scope["state"].get("principal"):
            return False
        return scope["method"] != "GET" or bool(_EXPORTS.search(scope["path"]))

    def _write(self, scope: Scope, status: int) -> None:
        ids = [*scope.get("path_params", {}).values(), scope["state"].get("made", "")]
        target = " ".join(filter(None, map(str, ids)))
        try:
            with self._sessions().transaction() as session:
                add_entry(session, scope, target=target, failed=status == _UNAUTHENTICATED)
        except Unavailable:
            return  # what was asked is done; the log has the request


def add_entry(session: Session, scope: Scope, *, target: str, failed: bool = False) -> None:
    """Write a request's entry in the caller's transaction; `failed` are authentications.

    A route that does so itself sets `state["audited"]` once that has committed.
    """
    action = getattr(scope.get("route"), "operation_id", None) or scope["method"]
    principal = scope["state"].get("principal")
    write_entry(
        session,
        "authenticate" if failed else action,
        project_id=None if failed else principal.project_id,
        key_id=None if failed else principal.key_id,
        address=_address(scope),
        target=target,
    )


def _address(scope: Scope) -> str | None:
    return (scope.get("client") or (None,))[0]
