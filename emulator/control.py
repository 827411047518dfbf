"""The emulator's own paths: ledger, settings, reset, health and the inside of a tuning."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import GoogleError
from emulator.parsing import parse_json
from emulator.settings import Settings, change_settings
from emulator.state import emulator_of


async def get_health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "synthetic": True})


async def get_ledger(request: Request) -> Response:
    emulator = emulator_of(request)
    tunings = emulator.tunings.all()
    body = {
        "tunings_created": len(tunings),
        "tunings": [tuning.summary() for tuning in tunings],
        "objects_written": emulator.objects.objects_written,
    }
    return JSONResponse(body | emulator.ledger.as_json())


async def get_config(request: Request) -> Response:
    return JSONResponse(emulator_of(request).settings.as_json())


async def post_config(request: Request) -> Response:
    emulator = emulator_of(request)
    changes = parse_json(await request.body())
    emulator.apply(change_settings(emulator.settings, changes))
    return JSONResponse(emulator.settings.as_json())


async def post_reset(request: Request) -> Response:
    """Drop everything kept; with `{"config": true}` the settings too."""
    emulator = emulator_of(request)
    body = parse_json(await request.body())
    if not body.keys() <= {"config"} or not isinstance(body.get("config", False), bool):
        raise GoogleError(400, 'reset takes nothing or {"config": true}.')
    await emulator.reset()
    if body.get("config"):
        emulator.apply(Settings())
    return JSONResponse({})


async def get_tuning(request: Request) -> Response:
    """Show what the protocol hides: the learner's head, seed and record of every epoch."""
    tuning_id = request.path_params["tuning_id"]
    tuning = emulator_of(request).tunings.get(tuning_id)
    if tuning is None:
        raise GoogleError(404, f"no tuning {tuning_id!r}.")
    inside = {"head": tuning.head, "seed": tuning.seed, "history": tuning.history}
    return JSONResponse(tuning.summary() | {"epochs": tuning.epochs} | inside)


def control_routes() -> list[Route]:
    return [
        Route("/_emulator/healthz", get_health, methods=["GET"]),
        Route("/_emulator/ledger", get_ledger, methods=["GET"]),
        Route("/_emulator/config", get_config, methods=["GET"]),
        Route("/_emulator/config", post_config, methods=["POST"]),
        Route("/_emulator/reset", post_reset, methods=["POST"]),
        Route("/_emulator/tunings/{tuning_id}", get_tuning, methods=["GET"]),
    ]
