"""The answer of a single call: awaited whole, or as server-sent events while it comes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import error_response
from api.key_slots import KeySlots
from service.errors import TunecurveError, Unavailable
from service.generation.operations import PlannedCall, present_call
from service.generation.schemas import GeneratedText
from service.inference.ports import GenerationResult

LONGEST_SECONDS = 120.0  # with all waits: for the quota, and between tries
PING_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Sending = Callable[..., Future[GenerationResult]]  # takes `emit`


async def answered(call: PlannedCall, sent: Future[GenerationResult]) -> GeneratedText:
    """Return the answer; no thread waits for it. Raises Unavailable `generation_timeout`."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            result = await asyncio.wrap_future(sent)
    except TimeoutError as error:
        message = f"no answer within {LONGEST_SECONDS:g} s, waits for the quota included"
        raise Unavailable(message, code="generation_timeout") from error
    return present_call(call, result)


async def stream_answer(
    call: PlannedCall, send: Sending, *, slots: KeySlots, key_id: str
) -> "GenerationStream":
    """Return the stream once the first words are there: a refusal before them has its status."""
    release = await slots.take(key_id)
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def emit(text: str) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, text)

    answer = asyncio.create_task(answered(call, send(emit=emit)))
    answer.add_done_callback(lambda _: pieces.put_nowait(None))
    try:
        first = await pieces.get()
        if first is None:
            answer.result()
    except BaseException:
        answer.cancel()
        release()
        raise
    return GenerationStream(first, pieces, answer, on_close=release)


class GenerationStream(StreamingResponse):
    """Streams pieces until None comes, then the whole; a client that leaves ends the call."""

    media_type = "text/event-stream"

    def __init__(
        self,
        first: str | None,
        pieces: asyncio.Queue[str | None],
        answer: asyncio.Task[GeneratedText],
        *,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(self._events(first), headers=HEADERS)
        self._pieces, self._answer, self._on_close = pieces, answer, on_close
        self._scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.cancel()
            self._on_close()

    async def _events(self, piece: str | None) -> AsyncIterator[str]:
        while piece is not None:
            if piece:
                yield event_text("text", json.dumps({"text": piece}))
            else:
                yield ": ping\n\n"
            piece = await self._next()
        try:
            answer = await self._answer
        except TunecurveError as error:
            problem = error_response(error, self._scope)
            yield event_text("error", bytes(problem.body).decode())
        else:
            yield event_text("done", answer.model_dump_json())

    async def _next(self) -> str | None:
        """Return the next piece, or nothing after a while: proxies end what is silent."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                return await self._pieces.get()
        except TimeoutError:
            return ""


def event_text(name: str, data: str) -> str:
    """Return a server-sent event; the data is JSON on one line."""
    return f"event: {name}\ndata: {data}\n\n"
