"""Single calls of models that lie on a worker's machine, relayed through channels of Redis.

The task message carries the call's id alone. The worker that takes it says so on the call's
channel, is then sent the request, and publishes the answer. Channels keep nothing, so no text
rests in Redis; a message without a waiting reader does nothing.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis
import structlog
from pydantic import TypeAdapter
from redis import asyncio as async_redis
from redis.exceptions import RedisError

from service import errors
from service.errors import Internal, TunecurveError, Unavailable
from service.inference.ports import Generation, GenerationRequest
from service.settings import Settings
from service.task_queue import Queue, TaskQueue, queue_names
from service.unexpected_errors import unexpected, where_raised

log = structlog.get_logger()

TASK = "generation.answer"
TAKEN_SECONDS = 30.0  # until a worker is free, and there
_ANSWER_SECONDS = 120.0
_REQUEST_SECONDS = 10.0
_TAKEN = b"taken"
Emit = Callable[[str], object]
# What a worker answers with; without `Emit` the text is not streamed.
Answer = Callable[[GenerationRequest, Emit | None], Generation]
_REQUESTS, _ANSWERS = TypeAdapter(GenerationRequest), TypeAdapter(Generation)


class RelayedGenerator:
    """Has each call answered by a worker of the queue `evaluate-local`.

    A call raises what the worker's generator raised, and Unavailable where no worker takes it or
    Redis is away.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        prefix: str,
        queue: TaskQueue,
        taken_seconds: float = TAKEN_SECONDS,
    ) -> None:
        self._redis = async_redis.Redis.from_url(redis_url)
        self._prefix, self._queue, self._taken_seconds = prefix, queue, taken_seconds

    async def generate(self, request: GenerationRequest) -> Generation:
        call_id = secrets.token_hex(16)
        return await self._ask(request, call_id, [_channel(self._prefix, call_id)])

    async def stream(
        self, request: GenerationRequest, *, emit: Callable[[str], None]
    ) -> Generation:
        """Emit the pieces that the worker publishes while it writes."""
        call_id, shown = secrets.token_hex(16), list[str]()

        def pass_on(text: str) -> None:
            shown.append(text)
            emit(text)

        channel = _channel(self._prefix, call_id)
        generation = await self._ask(request, call_id, [channel, _pieces(channel)], pass_on=pass_on)
        if not shown and generation.text:  # of a worker of an earlier version
            emit(generation.text)
        return generation

    async def _ask(
        self,
        request: GenerationRequest,
        call_id: str,
        channels: Sequence[str],
        *,
        pass_on: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the answer on the first of the channels; what comes on another is passed on."""
        try:
            async with self._redis.pubsub() as answers:
                await answers.subscribe(*channels)
                for _ in channels:
                    await _next(answers, "subscribe", _REQUEST_SECONDS)
                if not await asyncio.to_thread(
                    self._queue.send, TASK, call_id, queue=Queue.EVALUATE_LOCAL
                ):
                    raise _away()
                if await _next(answers, "message", self._taken_seconds) is None:
                    raise self._no_worker()
                await self._redis.publish(_requests(channels[0]), _REQUESTS.dump_json(request))
                while answer := await _next(answers, "message", _ANSWER_SECONDS):
                    if pass_on is None or answer["channel"] == channels[0].encode():
                        return _generation(answer["data"])
                    pass_on(answer["data"].decode())
        except RedisError as error:
            raise _away() from error
        message = f"the worker sent nothing for {_ANSWER_SECONDS:g} s"
        raise Unavailable(message, code="generation_timeout")

    async def close(self) -> None:
        await self._redis.aclose()

    def _no_worker(self) -> Unavailable:
        message = (
            f"no worker took the call within {self._taken_seconds:g} s: start one with the extra "
            f"`local` by `python -m workers --queues {Queue.EVALUATE_LOCAL}`, or wait until one "
            "is free"
        )
        return Unavailable(message, code="local_worker_unavailable")


def open_relay(settings: Settings, redis_url: str, queue: TaskQueue) -> RelayedGenerator:
    return RelayedGenerator(redis_url, prefix=queue_names(settings).prefix, queue=queue)


def answer_relayed(
    call_id: str,
    *,
    redis_url: str,
    prefix: str,
    answer: Answer,
) -> None:
    """In a worker: fetch the request of a call, and publish what `answer` returns or raises, and
    the pieces before it where the caller streams them.
    """
    channel = _channel(prefix, call_id)
    patience = {"socket_timeout": _REQUEST_SECONDS, "socket_connect_timeout": _REQUEST_SECONDS}
    with redis.Redis.from_url(redis_url, **patience) as client, client.pubsub() as requests:
        requests.subscribe(_requests(channel))
        requests.get_message(timeout=_REQUEST_SECONDS)  # of the subscription
        if not client.publish(channel, _TAKEN):
            return
        message = requests.get_message(timeout=_REQUEST_SECONDS)
        if message is not None:
            pieces = _pieces(channel)
            [(_, readers)] = client.pubsub_numsub(pieces)
            emit = partial(client.publish, pieces) if readers else None
            client.publish(channel, _published(message["data"], answer, emit))


def _published(content: bytes, answer: Answer, emit: Emit | None) -> bytes:
    try:
        return _ANSWERS.dump_json(answer(_REQUESTS.validate_json(content), emit))
    except TunecurveError as error:
        reported = error
    except Exception as error:  # noqa: BLE001  the caller waits; its words may quote the text
        told = unexpected(error)
        log.error("call_failed", error=told, frames=where_raised(error))  # noqa: TRY400
        reported = Internal(
            f"unexpected {told}; `call_failed` in the worker's log has the way there"
        )
    fault = [type(reported).__name__, reported.message, reported.code]
    return json.dumps({"error": fault}).encode()


def _generation(content: bytes) -> Generation:
    reported = json.loads(content)
    if "outcome" in reported:
        return _ANSWERS.validate_python(reported)
    name, message, code = reported["error"]
    raise getattr(errors, name, Internal)(message, code=code)


async def _next(channel: Any, kind: str, seconds: float) -> Any:
    """Return the next message of a kind, None where none comes in time."""
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        message = await channel.get_message(timeout=remaining)
        if message is not None and message["type"] == kind:
            return message
    return None


def _channel(prefix: str, call_id: str) -> str:
    return f"{prefix}call.{call_id}"


def _requests(channel: str) -> str:
    return f"{channel}.request"


def _pieces(channel: str) -> str:
    return f"{channel}.pieces"


def _away() -> Unavailable:
    return Unavailable("Redis is away: local models are asked through it", code="redis_unavailable")
