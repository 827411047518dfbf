"""How much of one thing, such as event streams, a key may have open over all API processes.

Each process counts for itself and holds a lease in Redis for each slot. It renews its leases;
those of a process that has died run out.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Protocol

import structlog

from service.errors import RateLimited, Unavailable

log = structlog.get_logger()

LEASE_SECONDS = 10.0
_RENEWAL_SECONDS = 3.0

Lease = tuple[str, str]
"""The name of what is counted, such as `streams.key_01jd…`, and an id of its own."""


class SharedLeases(Protocol):
    """Leases that several processes count together. All raise Unavailable where Redis is away."""

    async def take(self, lease: Lease, *, limit: int, seconds: float) -> bool: ...

    async def renew(self, leases: Collection[Lease], *, seconds: float) -> None: ...

    async def end(self, lease: Lease) -> None: ...


class SlotLeases:
    """The leases of this process, of which `shared` lets others know. For one event loop.

    While Redis is away, and without one, each process counts for itself.
    """

    def __init__(self) -> None:
        self.shared: SharedLeases | None = None
        self._held: set[Lease] = set()
        self._order = asyncio.Lock()  # none is renewed after its end
        self._endings: set[asyncio.Task[None]] = set()
        self._is_away = False

    async def take(self, lease: Lease, *, limit: int) -> bool:
        """Take a lease unless `limit` are held by all processes together; return whether it is."""
        granted = True
        async with self._asking() as shared:
            if shared:
                granted = await shared.take(lease, limit=limit, seconds=LEASE_SECONDS)
        if granted:
            self._held.add(lease)
        return granted

    def end(self, lease: Lease) -> None:
        """Give a lease back; the others learn of it in a moment."""
        self._held.discard(lease)
        task = asyncio.get_running_loop().create_task(self._end(lease))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _end(self, lease: Lease) -> None:
        async with self._asking() as shared:
            if shared:
                await shared.end(lease)

    async def renew_all(self, *, until: asyncio.Event) -> None:
        """Renew what is held again and again, and see whether Redis is back."""
        while not until.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), _RENEWAL_SECONDS)
            was_away, self._is_away = self._is_away, False
            async with self._asking(says_so=not was_away) as shared:
                if shared and self._held:
                    await shared.renew(self._held, seconds=LEASE_SECONDS)
        await asyncio.gather(*self._endings)

    @asynccontextmanager
    async def _asking(self, *, says_so: bool = True) -> AsyncIterator[SharedLeases | None]:
        """Yield what others know, or None while it is away; that it went is no error."""
        async with self._order:
            try:
                yield None if self._is_away else self.shared
            except Unavailable as error:
                self._is_away = True
                if says_so:
                    log.warning("slots_counted_by_process", code=error.code)


class KeySlots:
    """Counts what each key has open of one thing."""

    def __init__(self, limit: int, *, what: str, leases: SlotLeases) -> None:
        self._limit = limit
        self._what = what
        self._leases = leases
        self._open: Counter[str] = Counter()

    async def take(self, key_id: str) -> Callable[[], None]:
        """Take a slot and return what gives it back, once.

        Raises RateLimited, such as `too_many_streams`, when the key has as many as it may.
        """
        lease = f"{self._what}.{key_id}", secrets.token_hex(8)
        self._open[key_id] += 1
        try:
            within = self._open[key_id] <= self._limit
            granted = within and await self._leases.take(lease, limit=self._limit)
        except BaseException:
            self._release(key_id)
            raise
        if not granted:
            self._release(key_id)
            message = f"this key has {self._limit} {self._what} open; close one first"
            raise RateLimited(message, code=f"too_many_{self._what}")
        return partial(self._give_back, key_id, lease)

    @asynccontextmanager
    async def held(self, key_id: str) -> AsyncIterator[None]:
        """Hold a slot while the block runs. Raises RateLimited."""
        give_back = await self.take(key_id)
        try:
            yield
        finally:
            give_back()

    def _give_back(self, key_id: str, lease: Lease) -> None:
        self._release(key_id)
        self._leases.end(lease)

    def _release(self, key_id: str) -> None:
        self._open[key_id] -= 1
        if not self._open[key_id]:
            del self._open[key_id]
