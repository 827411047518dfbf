"""The application: all routes, errors in Google's shape, and the work of starting and stopping."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.batch.answers import answers_in
from emulator.batch.routes import batch_routes
from emulator.connections import DroppedConnectionError, DroppedResponse
from emulator.control import control_routes
from emulator.errors import GoogleError
from emulator.evaluation.routes import evaluation_routes
from emulator.experiments.routes import experiment_routes
from emulator.inference.routes import inference_routes
from emulator.models.routes import model_routes
from emulator.settings import Settings
from emulator.state import open_emulator
from emulator.storage.routes import storage_routes
from emulator.tuning.routes import tuning_routes

_VERSIONS = ("v1", "v1beta1")
_GOOGLE_ROUTES = (
    inference_routes,
    batch_routes,
    evaluation_routes,
    tuning_routes,
    model_routes,
    experiment_routes,
)


def create_app(root: Path, *, settings: Settings) -> Starlette:
    """Return the application over a folder, which may hold what an earlier server left."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        emulator = open_emulator(root, settings=settings)
        app.state.emulator = emulator
        emulator.queue.resume()
        emulator.batches.resume(answers_in(emulator))
        yield
        await emulator.stop()

    google = [
        route for version in _VERSIONS for routes in _GOOGLE_ROUTES for route in routes(version)
    ]
    return Starlette(
        routes=[*google, *storage_routes(), *control_routes()],
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
