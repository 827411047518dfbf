"""The emulator's own paths: ledger, settings, clock, reset, health and the inside of a tuning."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.clock import CLOCK, timestamp
from emulator.container import Emulator
from emulator.errors import GoogleError
from emulator.messages import parse_json
from emulator.settings import Settings, change_settings


async def get_health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "synthetic": True})


class ControlRoutes:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        return [
            Route("/_emulator/healthz", get_health, methods=["GET"]),
            Route("/_emulator/ledger", self.get_ledger, methods=["GET"]),
            Route("/_emulator/identities", self.get_identities, methods=["GET"]),
            Route("/_emulator/config", self.get_config, methods=["GET"]),
            Route("/_emulator/config", self.post_config, methods=["POST"]),
            Route("/_emulator/clock", self.get_clock, methods=["GET"]),
            Route("/_emulator/clock", self.post_clock, methods=["POST"]),
            Route("/_emulator/reset", self.post_reset, methods=["POST"]),
            Route("/_emulator/tunings/{tuning_id}", self.get_tuning, methods=["GET"]),
        ]

    async def get_ledger(self, _: Request) -> Response:
        tunings = [tuning.summary() for tuning in self._emulator.tunings.all()]
        batches = [job.summary() for job in self._emulator.batches.jobs.all()]
        body = {
            "tunings_created": len(tunings),
            "tunings": tunings,
            "tuning_cost_usd": _sum_costs(tunings),
            "objects_written": self._emulator.objects.objects_written,
            "batches": batches,
            "batch_cost_usd": _sum_costs(batches),
        }
        return JSONResponse(body | self._emulator.ledger.as_json())

    async def get_identities(self, _: Request) -> Response:
        """Show which service account each call carried the token of."""
        return JSONResponse({"calls": self._emulator.identities.as_json()})

    async def get_config(self, _: Request) -> Response:
        return JSONResponse(asdict(self._emulator.settings))

    async def post_config(self, request: Request) -> Response:
        changes = parse_json(await request.body())
        self._emulator.apply(change_settings(self._emulator.settings, changes))
        return JSONResponse(asdict(self._emulator.settings))

    async def get_clock(self, _: Request) -> Response:
        return JSONResponse(self._describe_clock())

    async def post_clock(self, request: Request) -> Response:
        """Step the clock forward; tunings and quotas see it at once."""
        body = parse_json(await request.body())
        seconds = body.get("advance_seconds")
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if body.keys() != {"advance_seconds"} or seconds is None or not is_number:
            raise GoogleError(400, 'clock takes {"advance_seconds": a number of at least 0}.')
        CLOCK.advance(seconds)
        self._emulator.queue.wake()
        return JSONResponse(self._describe_clock())

    async def post_reset(self, request: Request) -> Response:
        """Drop everything kept; with `{"config": true}` the settings and the clock's steps too."""
        body = parse_json(await request.body())
        if not body.keys() <= {"config"} or not isinstance(body.get("config", False), bool):
            raise GoogleError(400, 'reset takes nothing or {"config": true}.')
        if body.get("config"):
            CLOCK.reset()
            self._emulator.apply(Settings())
        await self._emulator.reset()
        return JSONResponse({})

    async def get_tuning(self, request: Request) -> Response:
        """Show what the protocol hides: the learner's head, seed and record of every epoch."""
        tuning_id = request.path_params["tuning_id"]
        tuning = self._emulator.tunings.get(tuning_id)
        if tuning is None:
            raise GoogleError(404, f"no tuning {tuning_id!r}.")
        inside = {"head": tuning.head, "seed": tuning.seed, "history": tuning.history}
        return JSONResponse(tuning.summary() | {"epochs": tuning.epochs} | inside)

    def _describe_clock(self) -> dict[str, object]:
        return {
            "now": timestamp(),
            "speed": self._emulator.settings.clock_speed,
            "ahead_seconds": CLOCK.ahead_seconds,
        }


def _sum_costs(summaries: list[dict[str, Any]]) -> float:
    """Add up what has a price."""
    return sum(float(summary["cost_usd"] or 0) for summary in summaries)
