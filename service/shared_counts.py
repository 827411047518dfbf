"""Counts that several processes keep together: each sends its own to Redis now and then."""

from collections.abc import Mapping
from typing import Any

from service.errors import Unavailable

_KEPT_SECONDS = 60
_ANSWER_SECONDS = 2.0


class SharedCounts:
    """Totals by name, which every process adds to. For one event loop."""

    def __init__(self, redis_url: str, *, prefix: str) -> None:
        from redis import asyncio as async_redis  # the API starts without it

        self._redis = async_redis.Redis.from_url(
            redis_url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS
        )
        self._prefix = f"{prefix}counts."
        self._totals: dict[str, int] = {}

    async def exchange(self, counted: Mapping[str, int]) -> Mapping[str, int]:
        """Add what was counted here since the last exchange; return what others have since then.

        A name that was not in the last exchange has nothing of others yet. Raises Unavailable where
        Redis is away; what was counted then is not sent again.
        """
        from redis.exceptions import RedisError

        try:
            async with self._redis.pipeline(transaction=False) as opened:
                pipe: Any = opened  # its commands wait for `execute`
                for name, count in counted.items():
                    pipe.incrby(f"{self._prefix}{name}", count)
                    pipe.expire(f"{self._prefix}{name}", _KEPT_SECONDS)
                answers = await pipe.execute()
        except (RedisError, OSError, ValueError) as error:
            self._totals.clear()
            raise Unavailable("Redis does not answer", code="redis_unavailable") from error
        totals = dict(zip(counted, map(int, answers[::2]), strict=True))
        before, self._totals = self._totals, totals
        others = {
            name: total - before[name] - counted[name]
            for name, total in totals.items()
            if name in before
        }
        return {name: count for name, count in others.items() if count > 0}

    async def close(self) -> None:
        await self._redis.aclose()
