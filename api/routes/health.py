"""Health: alive, ready, and how many jobs there are.

Probes wait for no thread of the pool that requests share: they answer however busy that is.
"""

from functools import partial
from typing import Literal

import structlog
from anyio import CapacityLimiter, move_on_after, to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.auth import Reader
from api.dependencies import Services
from api.openapi import answers, problems
from api.version import VERSION
from service.database import Sessions
from service.errors import TunecurveError, Unavailable
from service.migrations.upgrade import TablesVersion, require_room, require_tables
from service.reports.jobs import count_jobs
from service.task_queue import SHARED

router = APIRouter(tags=["health"])
log = structlog.get_logger()

READINESS_CHECKS = 2
_READINESS_SECONDS = 3.0  # less than the patience of the containers' health checks
_METRICS_TYPE = "text/plain; version=0.0.4"


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class RootLinks(BaseModel):
    """Where to go from here; all but the first answer without a key, too."""

    jobs: str = Field(default="/v1/jobs", description="needs a key")
    docs: str = Field(default="/docs", description="every request and answer, to be tried out")
    openapi: str = Field(default="/openapi.json", description="the same as an OpenAPI document")
    health: str = Field(default="/healthz", description="whether the process answers")
    readiness: str = Field(default="/readyz", description="whether requests can be served")


class Root(BaseModel):
    """What answers here, for a person who opens the address in a browser."""

    name: Literal["Tunecurve"] = "Tunecurve"
    version: str
    links: RootLinks


class Readiness(BaseModel):
    """Without the broker work is accepted and kept, but not begun: `degraded`."""

    status: Literal["ready", "degraded"]
    database: Literal["ok", "newer"] = Field(
        description="`newer`: a later version has migrated it, which this one serves as well"
    )
    broker: Literal["ok", "away", "shared"] = Field(
        description="`shared`: another installation takes messages from the same queues"
    )
    broker_detail: str | None = Field(
        default=None, description="why no message can be sent, or is lost"
    )


@router.get(
    "/",
    operation_id="root",
    summary="What answers here, and where to go",
    responses={
        200: {
            "content": {
                "application/json": {
                    "example": {
                        "name": "Tunecurve",
                        "version": VERSION,
                        "links": RootLinks().model_dump(),
                    }
                }
            }
        }
    },
)
async def root() -> Root:
    """Needs no key and says nothing of what is inside."""
    return Root(version=VERSION, links=RootLinks())


@router.get(
    "/healthz",
    operation_id="healthz",
    summary="Whether the process answers",
    responses={200: {"content": {"application/json": {"example": {"status": "ok"}}}}},
)
async def healthz() -> Health:
    """For a liveness probe: nothing outside the process is asked."""
    return Health()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether requests can be served",
    responses={
        status: document
        for status, document in answers(
            {"status": "ready", "database": "ok", "broker": "ok", "broker_detail": None}, 503
        ).items()
        if status in {200, 503}
    },
)
async def readyz(request: Request, container: Services) -> Readiness:
    """For a readiness probe: `degraded` means that work is accepted and not yet begun."""
    checks: CapacityLimiter = request.app.state.readiness_checks
    run = partial(to_thread.run_sync, limiter=checks, abandon_on_cancel=True)
    version: TablesVersion | None = None
    fault: str | None = f"Redis does not answer within {_READINESS_SECONDS:g} s"
    with move_on_after(_READINESS_SECONDS):
        version = await run(_require_database, container.sessions)
        fault = await run(container.task_queue.fault)
    if version is None:
        message = f"the database does not answer within {_READINESS_SECONDS:g} s"
        raise Unavailable(message, code="database_unavailable")
    database: Literal["ok", "newer"] = "newer" if version is TablesVersion.NEWER else "ok"
    if fault:
        broker: Literal["away", "shared"] = "shared" if fault == SHARED else "away"
        return Readiness(status="degraded", database=database, broker=broker, broker_detail=fault)
    return Readiness(status="ready", database=database, broker="ok")


def _require_database(sessions: Sessions) -> TablesVersion:
    """Raise Unavailable where the database is away, takes no writes or lacks a migration."""
    try:
        version = require_tables(sessions)
        require_room(sessions)
    except TunecurveError as error:
        log.warning("database_not_ready", code=error.code)
        raise
    except Exception as error:  # noqa: BLE001  whatever else a driver raises, it is away
        log.warning("database_unreachable", error=type(error).__name__)
        message = "the database does not answer"
        raise Unavailable(message, code="database_unavailable") from None
    return version


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Jobs of the key's project by kind and state, for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": 'tunecurve_jobs{kind="tune",state="running"} 3\n',
                }
            },
        },
        **problems(),
    },
)
def metrics(principal: Reader, container: Services) -> Response:
    """One gauge, `tunecurve_jobs`, with the labels `kind` and `state`."""
    counts = count_jobs(principal.project_id, sessions=container.sessions)
    lines = ["# HELP tunecurve_jobs Jobs by kind and state.", "# TYPE tunecurve_jobs gauge"]
    lines += [
        f'tunecurve_jobs{{kind="{kind}",state="{state}"}} {count}'
        for (kind, state), count in counts.items()
    ]
    return Response("\n".join(lines) + "\n", media_type=_METRICS_TYPE)
