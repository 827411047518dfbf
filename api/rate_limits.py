"""How often one client may ask, and how much it may have open at once: counted in this process."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.errors import RateLimited

_NAMES_LIMIT = 10_000


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
        return 0


class KeySlots:
    """Counts what each key has open of one thing, such as event streams."""

    def __init__(self, limit: int, *, what: str) -> None:
        self._limit = limit
        self._what = what
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, key_id: str) -> None:
        """Raise RateLimited, such as `too_many_streams`, when the key has as many as it may."""
        with self._lock:
            if self._open[key_id] >= self._limit:
                message = f"this key has {self._limit} {self._what} open; close one first"
                raise RateLimited(message, code=f"too_many_{self._what}")
            self._open[key_id] += 1

    def release(self, key_id: str) -> None:
        with self._lock:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]

    @contextmanager
    def held(self, key_id: str) -> Iterator[None]:
        """Hold one while the block runs. Raises RateLimited."""
        self.take(key_id)
        try:
            yield
        finally:
            self.release(key_id)
