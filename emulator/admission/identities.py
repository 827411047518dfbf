"""As whom calls come: tokens of service accounts, and a record of who has called what."""

import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.errors import GoogleError
from emulator.messages import parse_json
from emulator.settings import Settings

_ACCOUNT = re.compile(r"[a-z][a-z0-9-]+@[a-z0-9.-]+\.iam\.gserviceaccount\.com")
_LIFETIME = re.compile(r"(\d{1,5})s")
_TOKEN = "emulated/"  # noqa: S105  no secret: whose it is stands in it
_BEARER = f"Bearer {_TOKEN}".encode()
_LONGEST_SECONDS = 3600
_MOST_CALLS = 20_000


class Identities:
    """The IAM Service Account Credentials API, and who has called what since the last reset."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._calls: Counter[tuple[str, str, str]] = Counter()

    def clear(self) -> None:
        self._calls.clear()

    def routes(self) -> list[Route]:
        path = "/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        return [Route(path, self.generate_access_token, methods=["POST"])]

    async def generate_access_token(self, request: Request) -> Response:
        """Give a token of a service account; `forbidden` may take the permission for it away."""
        account, body = request.path_params["account"], parse_json(await request.body())
        if not _ACCOUNT.fullmatch(account):
            raise GoogleError(404, "Not found; Gaia id not found for the email.")
        if self._settings().forbidden == "impersonation":
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource."
            raise GoogleError(403, message)
        if not body.get("scope"):
            raise GoogleError(400, "scope is required.")
        expires = datetime.now(UTC) + timedelta(seconds=_lifetime(body))
        return JSONResponse(
            {
                "accessToken": f"{_TOKEN}{account}/{secrets.token_hex(8)}",
                "expireTime": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
            }
        )

    def note(self, identity: str, method: str, path: str) -> None:
        """Count a call; the first of too many different ones is forgotten."""
        self._calls[identity, method, path] += 1
        if len(self._calls) > _MOST_CALLS:
            del self._calls[next(iter(self._calls))]

    def as_json(self) -> list[dict[str, object]]:
        """Return the calls of each identity; an empty one is the caller's own."""
        return [
            {"identity": identity, "method": method, "path": path, "count": count}
            for (identity, method, path), count in sorted(self._calls.items())
        ]


class CallRecord:
    """Notes every call of Google's services with its identity, when it has been answered."""

    def __init__(self, app: ASGIApp, identities: Identities) -> None:
        self._app, self._identities = app, identities

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_emulator/"):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            await self._app(scope, receive, send)
        finally:
            path = unquote(scope["path"])
            if "object_name" in state:  # of an upload, whose path does not name it
                path = f"{path}/{state['object_name']}"
            self._identities.note(identity_of(scope), scope["method"], path)


def identity_of(scope: Scope) -> str:
    """Return the service account whose token a call carries; empty for any other token."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value.startswith(_BEARER):
            token: bytes = value.removeprefix(_BEARER)
            return token.partition(b"/")[0].decode("latin-1")
    return ""


def _lifetime(body: Mapping[str, Any]) -> int:
    found = _LIFETIME.fullmatch(str(body.get("lifetime") or f"{_LONGEST_SECONDS}s"))
    if found is None or not 0 < int(found[1]) <= _LONGEST_SECONDS:
        raise GoogleError(400, "lifetime must be from 1s to 3600s.")
    return int(found[1])
