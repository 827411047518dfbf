"""Counts that several processes keep together in Redis: totals, and leases that run out."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from service.errors import Unavailable

_KEPT_SECONDS = 60
_ANSWER_SECONDS = 2.0
# A sorted set of ids by when they end, by Redis's own clock. A renewal has no limit.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local limit = tonumber(ARGV[1])
if limit >= 0 and redis.call('ZCARD', KEYS[1]) >= limit then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_NO_LIMIT = -1


class SharedCounts:
    """Totals and leases by name, which every process adds to. For one event loop.

    All operations raise Unavailable where Redis is away.
    """

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        from redis import asyncio as async_redis  # the API starts without it

        self._redis = async_redis.Redis.from_url(
            redis_url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS
        )
        self._prefix = prefix
        self._totals: dict[str, int] = {}

    async def exchange(self, counted: Mapping[str, int]) -> Mapping[str, int]:
        """Add what was counted here since the last exchange; return what others have since then.

        A name that was not in the last exchange has nothing of others yet. What was counted while
        Redis is away is not sent again.
        """
        before, self._totals = self._totals, {}
        async with self._pipeline() as pipe:
            for name, count in counted.items():
                pipe.incrby(f"{self._prefix}counts.{name}", count)
                pipe.expire(f"{self._prefix}counts.{name}", _KEPT_SECONDS)
            answers = await pipe.execute()
        self._totals = dict(zip(counted, map(int, answers[::2]), strict=True))
        others = {
            name: total - before[name] - counted[name]
            for name, total in self._totals.items()
            if name in before
        }
        return {name: count for name, count in others.items() if count > 0}

    async def take(self, lease: tuple[str, str], *, limit: int, seconds: float) -> bool:
        """Hold a lease, a name and an id, for so long, unless `limit` of that name are held."""
        async with self._pipeline() as pipe:
            self._take(pipe, lease, limit, seconds)
            (taken,) = await pipe.execute()
        return bool(taken)

    async def renew(self, leases: Collection[tuple[str, str]], *, seconds: float) -> None:
        """Hold leases for so long from now, also those that have run out or were lost."""
        async with self._pipeline() as pipe:
            for lease in leases:
                self._take(pipe, lease, _NO_LIMIT, seconds)
            await pipe.execute()

    async def end(self, lease: tuple[str, str]) -> None:
        """Give a lease back; one that is not held is fine."""
        name, own = lease
        async with self._pipeline() as pipe:
            pipe.zrem(f"{self._prefix}leases.{name}", own)
            await pipe.execute()

    async def close(self) -> None:
        await self._redis.aclose()

    def _take(self, pipe: Any, lease: tuple[str, str], limit: int, seconds: float) -> None:
        name, own = lease
        pipe.eval(_TAKE, 1, f"{self._prefix}leases.{name}", limit, round(seconds * 1000), own)

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[Any]:  # its commands wait for `execute`
        from redis.exceptions import RedisError

        try:
            async with self._redis.pipeline(transaction=False) as opened:
                yield opened
        except (RedisError, OSError, ValueError) as error:
            raise Unavailable("Redis does not answer", code="redis_unavailable") from error
