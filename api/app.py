"""The HTTP application: opens the container, and puts routes and what surrounds them together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import Scope

from api import reference_page, webhook_messages
from api.audit import AuditTrail
from api.auth import Authentication, KnownKeys
from api.errors import add_error_handlers
from api.key_slots import KeySlots, SlotLeases
from api.key_watch import KeyWatch
from api.middleware import BodyLimit, HeadAsGet, RequestContext
from api.openapi import TITLE, document, document_of
from api.parameters import refuse_unknown_parameters
from api.rate_limits import RequestRates, exchange_rates
from api.routes import (
    aliases,
    audit,
    catalogue,
    datasets,
    erasures,
    evaluation,
    events,
    experiments,
    files,
    generation,
    health,
    jobs,
    keys,
    projects,
    quotas,
    retention,
    subjects,
    tuning,
    usage,
    verdicts,
    webhooks,
)
from api.routes.health import READINESS_CHECKS
from api.version import VERSION
from service.container import Container
from service.settings import Settings
from service.shared_counts import SharedCounts

_PINGS = 4  # of webhooks, each of which may hang for 15 s; more wait for them
_ROOMS = (
    jobs,
    events,
    files,
    datasets,
    catalogue,  # before tuning: `/v1/models/catalogue` is no model
    tuning,
    generation,
    aliases,
    evaluation,
    verdicts,
    experiments,
    webhooks,
    keys,
    projects,
    quotas,
    usage,
    erasures,
    retention,
    subjects,
    audit,
)

# The framework works each route out at the first request and keeps what it has found with the
# router: 0.1 s for all of them, which every application after the first is spared.
_ROUTES = APIRouter()
for _room in _ROOMS:
    _ROUTES.include_router(_room.router, dependencies=[Depends(refuse_unknown_parameters)])
_ROUTES.include_router(reference_page.router)
_ROUTES.include_router(health.router)  # what asks it may add parameters of its own

# More threads than this only fight for the interpreter's lock and, on SQLite, for the writer's.
THREADS = 12


class _App(FastAPI):
    """Every instance has the same routes, and so the same OpenAPI document."""

    _document: ClassVar[dict[str, Any]] = {}

    def openapi(self) -> dict[str, Any]:
        if not self._document:
            self._document.update(document(self))
        return self._document

    def document_of(self, route: APIRoute) -> dict[str, Any]:
        return document_of(route)


def create_app(settings: Settings) -> FastAPI:
    """Return the application. Nothing outside is touched before the first request."""
    app = _App(
        title=TITLE,
        version=VERSION,
        docs_url=None,  # the framework's page loads scripts from a CDN: see `reference_page`
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        routes=_ROUTES.routes,
    )
    app.webhooks.include_router(webhook_messages.router)
    app.state.container = container = Container(settings)
    app.state.known_keys = KnownKeys()
    app.state.rates = RequestRates(settings.requests_per_second)
    app.state.pings = ThreadPoolExecutor(_PINGS, thread_name_prefix="ping")
    app.state.slot_leases = leases = SlotLeases()
    app.state.stream_slots = KeySlots(settings.streams_per_key, what="streams", leases=leases)
    app.state.upload_slots = KeySlots(settings.uploads_per_key, what="uploads", leases=leases)
    app.state.ping_slots = KeySlots(1, what="pings", leases=leases)
    app.state.generation_slots = KeySlots(
        settings.generations_per_key, what="generations", leases=leases
    )
    app.state.readiness_checks = CapacityLimiter(READINESS_CHECKS)
    add_error_handlers(app)
    app.add_middleware(
        BodyLimit,
        limit_of=_limits(settings),
        idle_seconds=settings.body_idle_seconds,
        bytes_per_second=settings.body_bytes_per_second,
    )
    app.add_middleware(KeyWatch, sessions=lambda: container.sessions)
    app.add_middleware(
        Authentication,
        sessions=lambda: container.sessions,
        rates=app.state.rates,
        known_keys=app.state.known_keys,
    )
    app.add_middleware(AuditTrail, sessions=lambda: container.sessions)
    app.add_middleware(RequestContext)
    app.add_middleware(HeadAsGet)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    container: Container = app.state.container
    async with _counting(app.state.rates, app.state.slot_leases, container.shared_counts):
        yield
    container.close()


@asynccontextmanager
async def _counting(
    rates: RequestRates, leases: SlotLeases, counts: SharedCounts | None
) -> AsyncIterator[None]:
    """Count together with other processes meanwhile; the connection is closed in the end."""
    if counts is None:
        yield
        return
    leases.shared, ending = counts, asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(exchange_rates(rates, counts, until=ending))
        tasks.create_task(leases.renew_all(until=ending))
        try:
            yield
        finally:
            ending.set()
    await counts.close()


def _limits(settings: Settings) -> Callable[[Scope], int]:
    def limit_of(scope: Scope) -> int:
        uploads = scope["method"] == "POST" and scope["path"] == "/v1/files"
        return settings.upload_bytes_limit if uploads else settings.body_bytes_limit

    return limit_of
