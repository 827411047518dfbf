"""A provider on this machine: speaks the protocol, obeys a quota, fails on demand."""

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from aiohttp import web

HANG = "hang"
DROP = "drop"
GARBAGE = "garbage"
DAY_USED_UP = {
    "code": 429,
    "message": "Quota exceeded for metric: generate_requests, limit: 1500",
    "status": "RESOURCE_EXHAUSTED",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7200s"},
    ],
}

Fault = int | float | str | dict[str, object] | tuple[int, bytes]


@dataclass
class Provider:
    """Answers a prompt in capitals.

    `requests_per_minute` is a token bucket of `burst_seconds`; 0 means no quota. `faults` are
    used up by the next requests; `always` holds the fault of a prompt, `once` that of its first
    request. A fault is a status, a delay in seconds (a float), a word of this module, the `error`
    of a body, or a whole answer: its status and its bytes.
    """

    requests_per_minute: float = 0
    burst_seconds: float = 0.5
    latency_seconds: float = 0.02
    faults: deque[Fault] = field(default_factory=deque)
    always: dict[str, Fault] = field(default_factory=dict)
    once: dict[str, Fault] = field(default_factory=dict)
    url: str = ""
    accepted: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    connections: set[object] = field(default_factory=set)
    bodies: list[dict[str, object]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    in_flight: int = 0
    _tokens: float = 0
    _filled_at: float = 0

    async def generate(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.paths.append(request.path)
        self.bodies.append(body)
        self.connections.add(request.transport)
        prompt = body["contents"][-1]["parts"][0]["text"]
        self.in_flight += 1
        try:
            return await self._answer(request, prompt)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, prompt: str) -> web.StreamResponse:
        if not self._within_quota():
            self.refused += 1
            return _error(429, "Resource exhausted. Please try again later.")
        await asyncio.sleep(self.latency_seconds)
        fault = self.always.get(prompt) or self.once.pop(prompt, None)
        fault = fault or (self.faults.popleft() if self.faults else None)
        match fault:
            case None | float():
                await asyncio.sleep(fault or 0)
                self.accepted[prompt] += 1
                return web.json_response(_good(prompt), headers={"X-Tunecurve-Emulator": "1"})
            case int():
                return _error(fault, f'It failed for "{prompt}"')
            case dict():
                return web.json_response({"error": fault}, status=429)
            case (int(status), bytes(answer)):
                return web.Response(status=status, body=answer, content_type="application/json")
            case "hang":
                await asyncio.sleep(3600)
            case "drop":
                assert request.transport
                request.transport.close()
            case _:
                pass
        return web.Response(text="<html>not what you wanted")

    def _within_quota(self) -> bool:
        if not self.requests_per_minute:
            return True
        now, rate = time.monotonic(), self.requests_per_minute / 60
        most = max(1.0, rate * self.burst_seconds)
        elapsed = now - self._filled_at
        self._tokens, self._filled_at = min(most, self._tokens + elapsed * rate), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _good(prompt: str) -> dict[str, object]:
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": prompt.upper()}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    }


def _error(status: int, message: str) -> web.Response:
    names = {429: "RESOURCE_EXHAUSTED", 404: "NOT_FOUND", 403: "PERMISSION_DENIED"}
    error = {"code": status, "message": message, "status": names.get(status, "UNKNOWN")}
    return web.json_response({"error": error}, status=status)


@contextlib.contextmanager
def start_provider(provider: Provider) -> Iterator[Provider]:
    """Serve it from a thread, on a free port of the loopback."""
    started: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        stopping = asyncio.Event()
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/{name:.*}", provider.generate)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        provider.url = f"http://127.0.0.1:{port}"
        loop = asyncio.get_running_loop()
        started.set_result(lambda: loop.call_soon_threadsafe(stopping.set))
        await stopping.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner() as runner:  # cancels the handlers that still hang
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    stop = started.result(300)
    try:
        yield provider
    finally:
        stop()
        thread.join(10)
