"""How often one client may ask, counted over all API processes as they exchange it now and then."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from service.errors import Unavailable

log = structlog.get_logger()

_NAMES_LIMIT = 10_000
_BURST_SECONDS = 2.0
_EXCHANGE_SECONDS, _AWAY_SECONDS = 0.5, 5.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    seen_at: float


class TokenBuckets:
    """A bucket of `burst` tokens for each name, refilled with `per_second`; 0 means no limit.

    Those longest unused are forgotten. For one thread.
    """

    def __init__(self, per_second: float, *, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._taken: Counter[str] = Counter()

    def take(self, name: str, *, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one.

        `now` are seconds of a clock that never goes back.
        """
        if not self._per_second:
            return 0
        bucket = self._buckets.pop(name, None) or _Bucket(self._burst, now)
        self._buckets[name] = bucket
        if len(self._buckets) > _NAMES_LIMIT:
            self._buckets.popitem(last=False)
        refilled = bucket.tokens + (now - bucket.seen_at) * self._per_second
        bucket.tokens, bucket.seen_at = min(self._burst, refilled), now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        self._taken[name] += 1
        return 0

    def collect(self) -> Counter[str]:
        """Return how many tokens of each name were taken since the last time."""
        taken, self._taken = self._taken, Counter()
        return taken

    def spend(self, name: str, tokens: int) -> None:
        """Take what another process has given away: there may be less than none left."""
        if bucket := self._buckets.get(name):
            bucket.tokens -= tokens


class SharedCounts(Protocol):
    async def exchange(self, counted: Mapping[str, int]) -> Mapping[str, int]: ...


class RequestRates:
    """The requests of keys and addresses, `per_second` each, and those of projects with a rate of
    their own. Several processes hold them together: each may overshoot by what it lets in between
    two exchanges.
    """

    def __init__(self, per_second: float) -> None:
        self._clients = TokenBuckets(per_second, burst=per_second * _BURST_SECONDS)
        self._projects: dict[float, TokenBuckets] = {}  # by their rate
        self._recent: set[str] = set()

    def take_of_client(self, name: str, *, now: float) -> float:
        """Take a request and return 0, or return the seconds until one may come."""
        return self._clients.take(name, now=now)

    def take_of_project(self, project_id: str, per_minute: float, *, now: float) -> float:
        """As `take_of_client`, for all keys of a project together."""
        rate = per_minute / 60
        fresh = TokenBuckets(rate, burst=max(1.0, rate))
        return self._projects.setdefault(per_minute, fresh).take(project_id, now=now)

    async def exchange(self, counts: SharedCounts) -> None:
        """Send what came here, and take off what came elsewhere. Raises Unavailable."""
        taken = self._clients.collect()
        for buckets in self._projects.values():
            taken.update(buckets.collect())
        announced = {**dict.fromkeys(self._recent, 0), **taken}
        self._recent = set(taken)
        if not announced:
            return
        for name, count in (await counts.exchange(announced)).items():
            for buckets in (self._clients, *self._projects.values()):
                buckets.spend(name, count)


async def exchange_rates(
    rates: RequestRates, counts: SharedCounts, *, until: asyncio.Event
) -> None:
    """Exchange again and again; while Redis is away this process counts for itself, and says so
    once. It is never cancelled: a connection whose opening is cancelled may keep the loop from
    closing.
    """
    is_away = False
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), _AWAY_SECONDS if is_away else _EXCHANGE_SECONDS)
            return
        try:
            await rates.exchange(counts)
            is_away = False
        except Unavailable as error:
            if not is_away:
                log.warning("rates_counted_by_process", code=error.code)
            is_away = True
