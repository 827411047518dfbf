"""Who is calling: a Bearer key, the project it opens and the scopes it has."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from api.dependencies import Services
from api.errors import error_response
from api.rate_limits import RequestRates, TokenBuckets
from service.database import Sessions
from service.errors import RateLimited, TunecurveError, Unauthenticated
from service.projects.keys import digest
from service.projects.operations import authenticate
from service.projects.schemas import Principal, Scope

log = structlog.get_logger()

_bearer = HTTPBearer(
    scheme_name="key",
    auto_error=False,
    description="An API key, such as `tunecurve_k3v9q2m7xa_…`; it opens one project.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]

_PROBES = frozenset({"/healthz", "/readyz"})  # answered at any rate of requests
_KEY_NEEDED = ("/v1/", "/metrics")
_IPV4, _IPV6_CUSTOMER_BITS = 4, 64
_ACCEPTED_LIMIT = 10_000
_KNOWN_SECONDS = 2.0
_WARNINGS_PER_SECOND = 1 / 60  # a flood is one line a minute


class KnownKeys:
    """The owners of keys that came in the last two seconds, by digest: a look-up in the database
    takes a tenth of the time of a read.

    A key that this process revokes is forgotten at once; other processes know it a little longer.
    """

    def __init__(self, seconds: float = _KNOWN_SECONDS) -> None:
        self._seconds = seconds
        self._found: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    def find(self, key: str, *, now: float) -> Principal | None:
        """Return whose key it is, unless that was found too long ago."""
        principal, until = self._found.get(key, (None, 0.0))
        return principal if now < until else None

    def add(self, key: str, principal: Principal, *, now: float) -> None:
        self._found[key] = principal, now + self._seconds
        if len(self._found) > _ACCEPTED_LIMIT:
            self._found.popitem(last=False)

    def forget(self) -> None:
        """Forget all: some key has changed."""
        self._found.clear()


class Authentication:
    """Finds out whose key came before anything of the body is read: `state.principal`.

    A key that was accepted before has requests of its own. All others, with no key
    or an unknown one, share as many an address: guessing takes from no other caller.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Callable[[], Sessions],
        rates: RequestRates,
        known_keys: KnownKeys,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._known_keys = known_keys
        self._rates = rates
        self._warnings = TokenBuckets(_WARNINGS_PER_SECOND, burst=1)
        self._accepted: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        try:
            scope["state"]["principal"] = await self._principal(scope)
        except TunecurveError as error:
            await error_response(error, scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _principal(self, scope: AsgiScope) -> Principal | None:
        secret = secret_of(scope)
        key = digest(secret) if secret else ""
        self._take(self._accepted.get(key) or _network_of(scope))
        if secret:
            principal = await self._authenticate(secret, key)
            self._take_of_project(principal)
            return principal
        if scope["path"].startswith(_KEY_NEEDED):
            raise Unauthenticated("send the header `Authorization: Bearer` with an API key")
        return None

    def _take(self, client: str) -> None:
        now = time.monotonic()
        seconds = self._rates.take_of_client(client, now=now)
        if not seconds:
            return
        if not self._warnings.take(client, now=now):
            log.warning("rate_limited", client=client)
        raise RateLimited(
            "too many requests; send them more slowly",
            retry_seconds=math.ceil(seconds),
        )

    async def _authenticate(self, secret: str, key: str) -> Principal:
        now = time.monotonic()
        known = self._known_keys.find(key, now=now)
        if known is not None:
            return known
        try:
            principal = await run_in_threadpool(authenticate, secret, sessions=self._sessions())
        except Unauthenticated:
            self._accepted.pop(key, None)
            raise
        self._accepted.pop(key, None)
        self._accepted[key] = principal.key_id
        self._known_keys.add(key, principal, now=now)
        if len(self._accepted) > _ACCEPTED_LIMIT:
            self._accepted.popitem(last=False)
        return principal

    def _take_of_project(self, principal: Principal) -> None:
        """Count a request of a project that has a limit of its own."""
        rate = principal.limits.requests_per_minute
        if rate is None:
            return
        project = principal.project_id
        seconds = self._rates.take_of_project(project, rate, now=time.monotonic())
        if seconds:
            message = f"the project may send {rate:g} requests a minute; send them more slowly"
            raise RateLimited(message, retry_seconds=math.ceil(seconds))


def secret_of(scope: AsgiScope) -> str:
    scheme, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _network_of(scope: AsgiScope) -> str:
    """Return the client's address; of IPv6 the network that one customer has."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a proxy's words
        return "unknown"
    if address.version == _IPV4:
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_CUSTOMER_BITS), strict=False))


async def caller(request: Request, scopes: SecurityScopes, _documented: Credentials) -> Principal:
    """Return whose key came; raises Forbidden where a scope is missing."""
    return _with_scopes(request.state.principal, scopes)


async def recheck(
    scopes: SecurityScopes, credentials: Credentials, container: Services
) -> Callable[[], Principal]:
    """Return the check itself, for what lasts: the key may be revoked meanwhile."""
    secret = credentials.credentials if credentials else ""
    return lambda: _with_scopes(authenticate(secret, sessions=container.sessions), scopes)


async def administrator(
    request: Request, scopes: SecurityScopes, _documented: Credentials
) -> Principal:
    """Return who administers the installation; raises Forbidden for all others."""
    principal = _with_scopes(request.state.principal, scopes)
    principal.require_administrator()
    return principal


def _with_scopes(principal: Principal, scopes: SecurityScopes) -> Principal:
    for scope in scopes.scopes:
        principal.require(Scope(scope))
    return principal


Caller = Annotated[Principal, Security(caller)]
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ.value])]
Writer = Annotated[Principal, Security(caller, scopes=[Scope.WRITE.value])]
Admin = Annotated[Principal, Security(caller, scopes=[Scope.ADMIN.value])]
Administrator = Annotated[Principal, Security(administrator, scopes=[Scope.ADMIN.value])]
WriterRecheck = Annotated[Callable[[], Principal], Security(recheck, scopes=[Scope.WRITE.value])]
