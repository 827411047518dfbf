"""The law of the pace: when the next call may start, and what a 429 does to the rate.

Starts are spaced (GCRA: a line of start times, of which a small burst may lie in the past),
because a limit on calls in flight neither fills a quota nor keeps to it: measured, a
semaphore with backoff wasted 29 % of its calls, spaced starts none.
"""

import math
from dataclasses import dataclass

CUT_FACTOR = 0.7
CUT_QUIET_SECONDS = 0.5  # one change of the quota shows as many 429s; the first one cuts
FLOOR_PER_SECOND = 0.1
LEASE_SECONDS = 0.05

_GROWTH_AFTER_SECONDS = 1.0
_NEAR_FAILING = 0.95
_FAST_GROWTH = 0.10
_FIRST_PROBE = 0.002
_LONGEST_AGO = -1e9


@dataclass(slots=True)
class Pace:
    """One quota of `ceiling` starts per second. Times are seconds of any clock that only rises.

    `burst_seconds` is the part of the quota that may be used at once after a pause.
    `governor.lua` holds the same law for a fleet.
    """

    ceiling: float
    burst_seconds: float
    rate: float = 0.0
    next_start: float = _LONGEST_AGO
    failing_rate: float = 0.0
    cut_at: float = _LONGEST_AGO
    seen_at: float = _LONGEST_AGO

    def __post_init__(self) -> None:
        self.rate = min(self.rate or self.ceiling, self.ceiling)
        self.failing_rate = self.failing_rate or self.ceiling

    def take(self, now: float) -> float:
        """Hand out the next start; it may lie in the past (start at once) or ahead."""
        self._grow(now)
        burst = self.burst_seconds * self.rate / self.ceiling
        start = max(self.next_start, now - burst)
        self.next_start = start + 1 / self.rate
        return start

    def cut(self, now: float) -> None:
        """Note a 429: the rate falls, once for all 429s of the same half second."""
        self._grow(now)
        if now - self.cut_at <= CUT_QUIET_SECONDS:
            return
        self.failing_rate, self.cut_at = self.rate, now
        self.rate = max(self.rate * CUT_FACTOR, FLOOR_PER_SECOND)
        self.next_start = max(self.next_start, now)

    def _grow(self, now: float) -> None:
        elapsed = now - self.seen_at if self.seen_at > _LONGEST_AGO else 0.0
        self.seen_at = now
        quiet = now - self.cut_at
        if self.rate >= self.ceiling or quiet <= _GROWTH_AFTER_SECONDS:
            return
        growth = _FAST_GROWTH
        if self.rate >= _NEAR_FAILING * self.failing_rate:
            # With a steady slow probe a worker that met a greedy neighbour stayed near zero.
            growth = min(0.25, _FIRST_PROBE * 2 ** min(quiet / 2, 20))
        self.rate = min(self.ceiling, self.rate * math.exp(growth * elapsed))
