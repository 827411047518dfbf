"""The quota governor: paces the starts of calls, for the whole fleet through Redis."""

import asyncio
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.inference.pacing import (
    CUT_FACTOR,
    CUT_QUIET_SECONDS,
    FLOOR_PER_SECOND,
    LEASE_SECONDS,
    Pace,
)

log = structlog.get_logger()

SOCKET_SECONDS = 1.0
RETURN_SECONDS = 0.5  # pause between two looks whether Redis is back
_SECOND = 1_000_000  # the script counts microseconds
_LUA = Path(__file__).with_suffix(".lua")


def quota_key(project: str, *, location: str, base_model: str) -> str:
    """Return the name of one quota: Google counts per project, location and base model."""
    return f"quota:{project}/{location}/{base_model}"


class LocalGovernor:
    """Paces the calls of one process."""

    def __init__(self, *, requests_per_minute: float, burst_seconds: float) -> None:
        self._pace = Pace(requests_per_minute / 60, burst_seconds)

    async def acquire(self) -> None:
        await _until(self._pace.take(time.monotonic()))

    async def refused(self) -> None:
        self._pace.cut(time.monotonic())

    async def close(self) -> None:
        """Nothing is held."""


class RedisGovernor:
    """Paces the calls of every process that names the same `key` on the same Redis.

    Starts are leased 50 ms at a time, so a process that dies takes at most that much quota
    along. While Redis is away, each process paces itself at its share of the rate last seen.
    Belongs to the process and the event loop that use it first. A wiped Redis costs nothing
    but the memory of past 429s.
    """

    def __init__(
        self, url: str, *, key: str, requests_per_minute: float, burst_seconds: float
    ) -> None:
        self._url = url
        self._keys = [key, f"{key}:governors"]
        self._ceiling = requests_per_minute / 60
        self._burst_seconds = burst_seconds
        self._name = uuid.uuid4().hex
        self._script: Any = None
        self._client: Redis | None = None
        self._leasing = asyncio.Lock()
        self._first, self._interval, self._left = 0.0, 1 / self._ceiling, 0
        self._governors = 1
        self._local: Pace | None = None
        self._looking: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        await _until(await self._next_start())

    async def refused(self) -> None:
        if self._local:
            self._local.cut(time.monotonic())
            return
        try:
            [was_cut] = await self._run("cut", CUT_FACTOR, CUT_QUIET_SECONDS, FLOOR_PER_SECOND)
        except (RedisError, OSError) as error:
            self._degrade(error).cut(time.monotonic())
            return
        if was_cut:
            self._left = 0  # what is left of the lease has the old spacing

    async def close(self) -> None:
        """Let go of the connections; the next call opens new ones."""
        looking, self._looking = self._looking, None
        if looking:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        client, self._client, self._script = self._client, None, None
        self._local, self._left, self._leasing = None, 0, asyncio.Lock()
        if client:
            await client.aclose(close_connection_pool=True)

    async def _next_start(self) -> float:
        async with self._leasing:
            if not self._local and self._is_used_up():
                try:
                    await self._lease()
                except (RedisError, OSError) as error:
                    self._degrade(error)
            if self._local:
                return self._local.take(time.monotonic())
            start = self._first
            self._first += self._interval
            self._left -= 1
            return start

    def _is_used_up(self) -> bool:
        """Starts that nobody took in time have lapsed: kept, they would add up to a burst."""
        oldest = time.monotonic() - self._burst_seconds - LEASE_SECONDS
        return self._left == 0 or self._first < oldest

    async def _lease(self) -> None:
        asked = time.monotonic()
        wait, interval, self._left, self._governors = await self._run(
            "lease", self._burst_seconds, LEASE_SECONDS, self._name
        )
        self._interval = interval / _SECOND
        # The script ran somewhere between question and answer.
        self._first = (asked + time.monotonic()) / 2 + wait / _SECOND

    async def _run(self, operation: str, *arguments: float | str) -> list[int]:
        if self._script is None:
            self._client = _client(self._url)
            self._script = self._client.register_script(_LUA.read_text())
        answer = await self._script(self._keys, [operation, self._ceiling, *arguments])
        return [int(number) for number in answer]

    def _degrade(self, error: Exception) -> Pace:
        if self._local:
            return self._local
        share = self._ceiling / self._governors
        self._local = Pace(share, self._burst_seconds, rate=1 / self._interval / self._governors)
        self._looking = asyncio.create_task(self._look_for_redis())
        log.warning("governor_degraded", key=self._keys[0], error=type(error).__name__)
        return self._local

    async def _look_for_redis(self) -> None:
        """Ask until Redis answers, then go back to the shared pace."""
        while self._local:
            await asyncio.sleep(RETURN_SECONDS)
            with suppress(RedisError, OSError):
                await self._lease()
                self._local = None
                log.info("governor_restored", key=self._keys[0])


def _client(url: str) -> Redis:
    # A script that timed out may have run: asked again, it would take a second lease. And the
    # default pool raises where a hundred callers meet.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=4,
        timeout=SOCKET_SECONDS,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis(connection_pool=pool)


async def _until(start: float) -> None:
    wait = start - time.monotonic()
    if wait > 0:
        await asyncio.sleep(wait)
