"""Server-sent events: the event table, polled, as one stream that can be resumed."""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import anyio
from anyio import to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.webhooks.schemas import Event

POLL_SECONDS = 0.5
PING_SECONDS = 15.0
STREAM_SECONDS = 15 * 60.0
BATCH = 100
_UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What one poll of the table found; `ended` when nothing can follow these events."""

    events: list[Event]
    ended: bool


class EventStream(StreamingResponse):
    """Streams what `poll(after_seq)` finds; it is called in a thread."""

    media_type = "text/event-stream"

    def __init__(
        self,
        poll: Callable[[int], EventBatch],
        *,
        after_seq: int,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(event_lines(poll, after_seq=after_seq), headers=_UNBUFFERED)
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_close()


async def event_lines(poll: Callable[[int], EventBatch], *, after_seq: int) -> AsyncIterator[str]:
    """Yield events as they come, and a comment at intervals, so that proxies do not time out."""
    now = time.monotonic()
    deadline, next_ping = now + STREAM_SECONDS, now + PING_SECONDS
    yield ": hello\n\n"
    while (now := time.monotonic()) < deadline:
        found = await to_thread.run_sync(poll, after_seq)
        for event in found.events:
            yield event_text(event)
            after_seq, next_ping = event.seq, now + PING_SECONDS
        if found.ended:
            return
        if now >= next_ping:
            yield ": ping\n\n"
            next_ping = now + PING_SECONDS
        if len(found.events) < BATCH:
            await anyio.sleep(POLL_SECONDS)


def event_text(event: Event) -> str:
    """Return an event as a stream carries it; the JSON is on one line."""
    data = json.dumps(event.model_dump(mode="json"), separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n"
