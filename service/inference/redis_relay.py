"""Single calls of models that lie on a worker's machine, relayed through channels of Redis.

The task message carries the call's id alone. The worker that takes it says so on the call's
channel, is then sent the request, and publishes the answer. Channels keep nothing, so no text
rests in Redis; a message without a waiting reader does nothing.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
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

log = structlog.get_logger()

TASK = "generation.answer"
TAKEN_SECONDS = 30.0  # until a worker is free, and there
_ANSWER_SECONDS = 120.0
_REQUEST_SECONDS = 10.0
_TAKEN = b"taken"
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
        channel = _channel(self._prefix, call_id)
        try:
            async with self._redis.pubsub() as answers:
                await answers.subscribe(channel)
                await _next(answers, "subscribe", _REQUEST_SECONDS)
                if not await asyncio.to_thread(
                    self._queue.send, TASK, call_id, queue=Queue.EVALUATE_LOCAL
                ):
                    raise _away()
                if await _next(answers, "message", self._taken_seconds) is None:
                    raise self._no_worker()
                await self._redis.publish(_requests(channel), _REQUESTS.dump_json(request))
                answer = await _next(answers, "message", _ANSWER_SECONDS)
        except RedisError as error:
            raise _away() from error
        if answer is None:
            message = f"the worker gave no answer within {_ANSWER_SECONDS:g} s"
            raise Unavailable(message, code="generation_timeout")
        return _generation(answer)

    async def stream(
        self, request: GenerationRequest, *, emit: Callable[[str], None]
    ) -> Generation:
        """Emit the whole text at once: local models answer in batches, not token by token."""
        generation = await self.generate(request)
        emit(generation.text)
        return generation

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
    answer: Callable[[GenerationRequest], Generation],
) -> None:
    """In a worker: fetch the request of a call, and publish what `answer` returns or raises."""
    channel = _channel(prefix, call_id)
    patience = {"socket_timeout": _REQUEST_SECONDS, "socket_connect_timeout": _REQUEST_SECONDS}
    with redis.Redis.from_url(redis_url, **patience) as client, client.pubsub() as requests:
        requests.subscribe(_requests(channel))
        requests.get_message(timeout=_REQUEST_SECONDS)  # of the subscription
        if not client.publish(channel, _TAKEN):
            return
        message = requests.get_message(timeout=_REQUEST_SECONDS)
        if message is not None:
            client.publish(channel, _published(message["data"], answer))


def _published(content: bytes, answer: Callable[[GenerationRequest], Generation]) -> bytes:
    try:
        return _ANSWERS.dump_json(answer(_REQUESTS.validate_json(content)))
    except TunecurveError as error:
        reported = error
    except Exception as error:  # noqa: BLE001  the caller waits; its words may quote the text
        log.error("call_failed", error=type(error).__name__)  # noqa: TRY400
        reported = Internal(
            f"the worker met an unexpected {type(error).__name__}; its log says when"
        )
    fault = [type(reported).__name__, reported.message, reported.code]
    return json.dumps({"error": fault}).encode()


def _generation(content: bytes) -> Generation:
    reported = json.loads(content)
    if "outcome" in reported:
        return _ANSWERS.validate_python(reported)
    name, message, code = reported["error"]
    raise getattr(errors, name, Internal)(message, code=code)


async def _next(channel: Any, kind: str, seconds: float) -> bytes | None:
    """Return the next message of a kind, None where none comes in time."""
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        message = await channel.get_message(timeout=remaining)
        if message is not None and message["type"] == kind:
            return bytes(message["data"]) if kind == "message" else b""
    return None


def _channel(prefix: str, call_id: str) -> str:
    return f"{prefix}call.{call_id}"


def _requests(channel: str) -> str:
    return f"{channel}.request"


def _away() -> Unavailable:
    return Unavailable("Redis is away: local models are asked through it", code="redis_unavailable")
