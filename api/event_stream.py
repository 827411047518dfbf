"""Server-sent events: the event table, polled, as one stream that can be resumed."""

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import anyio
from anyio import to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.errors import Forbidden, Unauthenticated
from service.webhooks.schemas import Event

POLL_SECONDS = 0.5
PING_SECONDS = 15.0
STREAM_SECONDS = 15 * 60.0
KEY_SECONDS = 3.0
BATCH = 100
_UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What one poll of the table found; `ended` when nothing can follow these events."""

    events: list[Event]
    ended: bool


class EventStream(StreamingResponse):
    """Streams what `poll(after_seq)` finds, as long as `check_key` raises nothing.

    Both are called in a thread.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        poll: Callable[[int], EventBatch],
        *,
        after_seq: int,
        check_key: Callable[[], object],
        on_close: Callable[[], None],
    ) -> None:
        lines = event_lines(poll, after_seq=after_seq, check_key=check_key)
        super().__init__(lines, headers=_UNBUFFERED)
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_close()


async def event_lines(
    poll: Callable[[int], EventBatch], *, after_seq: int, check_key: Callable[[], object]
) -> AsyncIterator[str]:
    """Yield events as they come, and a comment at intervals, so that proxies do not time out.

    Ends within KEY_SECONDS of the key's end.
    """
    now = time.monotonic()
    deadline, next_ping, next_check = now + STREAM_SECONDS, now + PING_SECONDS, now + KEY_SECONDS
    yield ": hello\n\n"
    while (now := time.monotonic()) < deadline:
        if now >= next_check:
            try:
                await to_thread.run_sync(check_key)
            except (Unauthenticated, Forbidden):
                return
            next_check = now + KEY_SECONDS
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
