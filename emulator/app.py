"""The application: all routes, errors in Google's shape, and the work of starting and stopping."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.admission.connections import DroppedConnectionError, DroppedResponse
from emulator.admission.identities import CallRecord
from emulator.connections import OwnRequests
from emulator.container import Emulator
from emulator.control import ControlRoutes
from emulator.errors import GoogleError
from emulator.settings import Settings


def create_app(root: Path, *, settings: Settings, hosts: frozenset[str] = frozenset()) -> Starlette:
    """Return the application over a folder, which may hold what an earlier server left.

    `hosts` are the names it answers to; empty means any.
    """
    emulator = Emulator(root, settings=settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        emulator.resume()
        yield
        await emulator.stop()

    return Starlette(
        middleware=[
            Middleware(OwnRequests, hosts=hosts),
            Middleware(CallRecord, identities=emulator.identities),
        ],
        routes=emulator.routes() + ControlRoutes(emulator).routes(),
        lifespan=lifespan,
        exception_handlers={
            GoogleError: _answer_error,
            HTTPException: _answer_unserved,
            Exception: _answer_failure,
        },
    )


async def _answer_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, GoogleError):
        raise error
    if isinstance(error, DroppedConnectionError):
        return DroppedResponse()
    return JSONResponse(error.body(), status_code=error.http_code)


async def _answer_unserved(_: Request, __: Exception) -> Response:
    """Answer for a path or method the emulator does not serve."""
    unserved = GoogleError(404, "The emulator does not serve this path and method.")
    return JSONResponse(unserved.body(), status_code=404)


async def _answer_failure(_: Request, __: Exception) -> Response:
    return JSONResponse(GoogleError(500, "Internal error.").body(), status_code=500)
