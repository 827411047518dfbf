"""The emulator's own paths: ledger, settings, clock, reset, health and the inside of a tuning."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.clock import CLOCK
from emulator.errors import GoogleError
from emulator.parsing import parse_json
from emulator.settings import Settings, change_settings
from emulator.state import Emulator, emulator_of
from emulator.timestamps import timestamp


async def get_health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "synthetic": True})


async def get_ledger(request: Request) -> Response:
    emulator = emulator_of(request)
    tunings = [tuning.summary() for tuning in emulator.tunings.all()]
    batches = [job.summary() for job in emulator.batches.jobs.all()]
    body = {
        "tunings_created": len(tunings),
        "tunings": tunings,
        "tuning_cost_usd": _sum_costs(tunings),
        "objects_written": emulator.objects.objects_written,
        "batches": batches,
        "batch_cost_usd": _sum_costs(batches),
    }
    return JSONResponse(body | emulator.ledger.as_json())


def _sum_costs(summaries: list[dict[str, Any]]) -> float:
    """Add up what has a price."""
    return sum(float(summary["cost_usd"] or 0) for summary in summaries)


async def get_config(request: Request) -> Response:
    return JSONResponse(emulator_of(request).settings.as_json())


async def post_config(request: Request) -> Response:
    emulator = emulator_of(request)
    changes = parse_json(await request.body())
    emulator.apply(change_settings(emulator.settings, changes))
    return JSONResponse(emulator.settings.as_json())


def _describe_clock(emulator: Emulator) -> dict[str, object]:
    return {
        "now": timestamp(),
        "speed": emulator.settings.clock_speed,
        "ahead_seconds": CLOCK.ahead_seconds,
    }


async def get_clock(request: Request) -> Response:
    return JSONResponse(_describe_clock(emulator_of(request)))


async def post_clock(request: Request) -> Response:
    """Step the clock forward; tunings and quotas see it at once."""
    emulator = emulator_of(request)
    body = parse_json(await request.body())
    seconds = body.get("advance_seconds")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if body.keys() != {"advance_seconds"} or seconds is None or not is_number:
        raise GoogleError(400, 'clock takes {"advance_seconds": a number of at least 0}.')
    CLOCK.advance(seconds)
    emulator.queue.wake()
    return JSONResponse(_describe_clock(emulator))


async def post_reset(request: Request) -> Response:
    """Drop everything kept; with `{"config": true}` the settings and the clock's steps too."""
    emulator = emulator_of(request)
    body = parse_json(await request.body())
    if not body.keys() <= {"config"} or not isinstance(body.get("config", False), bool):
        raise GoogleError(400, 'reset takes nothing or {"config": true}.')
    if body.get("config"):
        CLOCK.reset()
        emulator.apply(Settings())
    await emulator.reset()
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
        Route("/_emulator/clock", get_clock, methods=["GET"]),
        Route("/_emulator/clock", post_clock, methods=["POST"]),
        Route("/_emulator/reset", post_reset, methods=["POST"]),
        Route("/_emulator/tunings/{tuning_id}", get_tuning, methods=["GET"]),
    ]
