"""The quota governor of a fleet: one pace for all processes, held by Redis."""

import asyncio
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.errors import Unavailable
from service.inference.governor import LeasingGovernor, LocalPace, end_task
from service.inference.pace import CONSTANTS, Pace
from service.inference.ports import Flow, Lease, Quota, UsageReport
from service.inference.schemas import QuotaView

log = structlog.get_logger()

SOCKET_SECONDS = 1.0
PROBE_SECONDS = 0.5  # pause between two probes of a Redis that is away
QUOTAS_KEY = "quotas"
_LUA = Path(__file__).with_name("pace.lua")
_CONSTANTS = json.dumps(asdict(CONSTANTS))


class RedisGovernor(LeasingGovernor):
    """Paces the calls of every process that names the same `key` on the same Redis.

    Starts are leased 50 ms at a time, so a process that dies takes at most that much quota
    along. While Redis is away, each process paces itself at its share of the rate last seen.
    A wiped Redis costs nothing but the memory of past 429s.
    """

    def __init__(self, url: str, *, key: str, quota: Quota) -> None:
        super().__init__(RedisPace(url, key=key, quota=quota), quota)


class RedisPace:
    """A PaceSource over `pace.lua`; while Redis is away, over `Pace` at this process's share."""

    def __init__(self, url: str, *, key: str, quota: Quota) -> None:
        self._url, self._key, self._quota = url, key, quota
        self._keys = [key, f"{key}:flows", f"{key}:governors", QUOTAS_KEY, control_key(key)]
        per_second = quota.requests_per_minute / 60, quota.tokens_per_minute / 60
        self._limits = (*per_second, quota.usable_burst, quota.in_flight)
        self._client: Redis | None = None
        self._script: Any = None
        self._known_rate, self._governors, self._parked = 0.0, 1, 0.0
        self._away = False
        self._fallback = LocalPace(Pace(quota))
        self._probe: asyncio.Task[None] | None = None

    async def lease(
        self, usage: UsageReport, *, flow: Flow, credit: float, tokens: list[int]
    ) -> Lease:
        member = f"{flow.project_id} {flow.job_id} {flow.weight:g}"
        answer = await self._run_or_degrade("lease", usage, member, credit, *tokens)
        if answer is None:
            return await self._fallback.lease(usage, flow=flow, credit=credit, tokens=tokens)
        parked, again, rate, governors, left, *waits = answer
        return Lease(parked, rate, int(governors), again, left, waits)

    async def cut(self, usage: UsageReport, *, hold_seconds: float) -> bool:
        answer = await self._run_or_degrade("cut", usage, hold_seconds)
        if answer is None:
            return await self._fallback.cut(usage, hold_seconds=hold_seconds)
        return answer[1] > 0

    async def park(self, usage: UsageReport, *, seconds: float) -> None:
        if await self._run_or_degrade("park", usage, seconds) is None:
            await self._fallback.park(usage, seconds=seconds)

    async def report(self, usage: UsageReport) -> None:
        if await self._run_or_degrade("report", usage) is None:
            await self._fallback.report(usage)

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        probe, self._probe, self._away = self._probe, None, False
        if probe:
            await end_task(probe)
        client, self._client, self._script = self._client, None, None
        if client:
            await client.aclose(close_connection_pool=True)

    async def _run_or_degrade(
        self, operation: str, usage: UsageReport, *arguments: float | str
    ) -> list[float] | None:
        """Run the script; None while Redis is away."""
        if self._away:
            return None
        try:
            return await self._run(operation, usage, *arguments)
        except (RedisError, OSError) as error:
            self._degrade(usage, error)
            return None

    async def _run(
        self, operation: str, usage: UsageReport, *arguments: float | str
    ) -> list[float]:
        if self._script is None:
            self._client = _client(self._url)
            self._script = self._client.register_script(_LUA.read_text())
        counts = (usage.governor, usage.in_flight, usage.waiting, usage.settle, self._known_rate)
        answer = await self._script(
            self._keys, [operation, *self._limits, *counts, _CONSTANTS, *arguments]
        )
        numbers = [float(number) for number in answer]
        self._known_rate, self._governors = numbers[2], max(1, int(numbers[3]))
        self._parked = numbers[0]
        return numbers

    def _degrade(self, usage: UsageReport, error: Exception) -> None:
        if self._away:
            return
        self._away = True
        pace = _isolated_pace(self._quota, rate=self._known_rate, governors=self._governors)
        if self._parked:  # a quota that is paused or used up stays so
            pace.park(replace(usage, settle=0), _now(), seconds=self._parked)
        self._fallback = LocalPace(pace)
        self._probe = asyncio.create_task(self._probe_redis(replace(usage, settle=0)))
        log.warning("governor_degraded", key=self._key, error=type(error).__name__)

    async def _probe_redis(self, usage: UsageReport) -> None:
        """Try until Redis answers, then use the shared pace again."""
        while self._away:
            await asyncio.sleep(PROBE_SECONDS)
            with suppress(RedisError, OSError):
                await self._run("resume", usage)
                self._away = False
                log.info("governor_restored", key=self._key)


def control_key(key: str) -> str:
    """Return where Redis has what was set for a quota while jobs run."""
    return f"{key}:control"


def write_control(url: str, key: str, limits: Mapping[str, float], *, retune: bool) -> None:
    """Replace what was set for a quota; an empty mapping leaves what the workers are set to.

    `limits` has `paused_seconds`, `ceiling` and `tokens_per_second` (starts and tokens a second),
    `cap` (calls in flight). `retune` starts at a new ceiling at once instead of growing to it.
    Raises Unavailable when Redis is away.
    """
    try:
        with _sync_client(url) as client, client.pipeline() as pipeline:
            pipeline.delete(control_key(key))
            if limits:
                pipeline.hset(control_key(key), mapping=dict(limits))
            if retune and client.exists(key):
                rate = limits["ceiling"]
                pipeline.hset(key, mapping={"rate": rate, "failing_rate": rate})
            pipeline.execute()
    except (redis.RedisError, OSError, ValueError) as error:
        raise Unavailable("the quota's control goes through Redis, which is away") from error


def _sync_client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=1
    )


@dataclass(frozen=True, slots=True)
class QuotaState:
    """One quota as Redis holds it: rates per second, moments in seconds of the epoch or 0."""

    key: str
    rate: float
    failing_rate: float
    ceiling: float
    tokens_per_second: float
    cap: int
    cut_at: float
    parked_until: float
    seen_at: float
    in_flight: int
    waiting: int
    processes: int
    paused: bool = False


def read_states(url: str) -> list[QuotaState]:
    """Return the state of every quota, by name; raises Unavailable when Redis does not answer."""
    try:
        with _sync_client(url) as client:
            seconds, micros = client.time()
            states = [_read_state(client, key, seconds + micros / 1e6) for key in _keys(client)]
    except (redis.RedisError, OSError, ValueError) as error:
        message = f"the quotas' state is in Redis, which does not answer: {type(error).__name__}"
        raise Unavailable(message) from error
    return [state for state in states if state]


def _keys(client: "redis.Redis") -> list[str]:
    return sorted(str(key) for key in client.zrange(QUOTAS_KEY, 0, -1))


def _read_state(client: "redis.Redis", key: str, now: float) -> QuotaState | None:
    held: Any = client.hgetall(key)
    if "ceiling" not in held:
        return None
    entries: Any = client.hvals(f"{key}:governors")
    counts = [tuple(float(number) for number in entry.split()) for entry in entries]
    living = [count for count in counts if abs(now - count[0]) <= CONSTANTS.stale_seconds]
    parked_until = float(held["parked_until"])
    return QuotaState(
        key=key,
        rate=float(held["rate"]),
        failing_rate=float(held["failing_rate"]),
        ceiling=float(held["ceiling"]),
        tokens_per_second=float(held["tokens_per_second"]),
        cap=int(held["cap"]),
        cut_at=float(held["cut_at"]),
        parked_until=parked_until if parked_until > now else 0.0,
        seen_at=float(held["seen_at"]),
        in_flight=sum(int(calls) for _, calls, _ in living),
        waiting=sum(int(waiting) for _, _, waiting in living),
        processes=len(living),
        paused=bool(client.hget(control_key(key), "paused_seconds")),
    )


def _isolated_pace(quota: Quota, *, rate: float, governors: int) -> Pace:
    """Return the pace of one of so many governors that cannot see each other."""
    own = replace(
        quota,
        requests_per_minute=quota.requests_per_minute / governors,
        tokens_per_minute=quota.tokens_per_minute / governors,
        in_flight=math.ceil(quota.in_flight / governors),
    )
    if not rate:
        return Pace(own)
    # Without the shared 429s a slow start would overshoot, so the rate grows slowly from here.
    pace = Pace(own, rate=rate / governors, failing_rate=rate / governors, seen_at=_now())
    pace.resume(UsageReport(""), _now())
    return pace


def _now() -> float:
    return asyncio.get_running_loop().time()


def _client(url: str) -> Redis:
    # No retries: a script that timed out may have run, and would take a second lease. The default
    # pool raises when a hundred callers need a connection at once.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=4,
        timeout=SOCKET_SECONDS,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis(connection_pool=pool)


def list_quotas(redis_url: str) -> list[QuotaView]:
    """Return the quotas that were used in the last week; raises Unavailable without Redis."""

    def view(state: QuotaState) -> QuotaView:
        project, location, base_model = state.key.split("/", 2)
        return QuotaView(
            key=f"{location}/{base_model}",
            google_project=project.partition(":")[2],
            location=location,
            base_model=base_model,
            requests_per_minute=round(state.rate * 60, 1),
            ceiling=round(state.ceiling * 60, 1) or None,
            tokens_per_minute=round(state.tokens_per_second * 60, 1) or None,
            slow_start=state.failing_rate == 0,
            last_cut_at=_moment(state.cut_at),
            parked_until=_moment(state.parked_until),
            waiting=state.waiting,
            in_flight=state.in_flight,
            in_flight_limit=state.cap or None,
            paused=state.paused,
            processes=state.processes,
            seen_at=datetime.fromtimestamp(state.seen_at, UTC),
        )

    return [view(state) for state in read_states(redis_url)]


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
