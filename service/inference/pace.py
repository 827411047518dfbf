"""The pacing algorithm: when the next calls may start, whose they are, and how a 429 cuts the rate.

Starts are spaced (GCRA, the generic cell rate algorithm: each start moves the earliest next one;
a small burst may be used at once),
because a limit on calls in flight neither fills a quota nor keeps to it: measured, a
semaphore with backoff wasted 29 % of its calls, spaced starts none. A request is
served at once, behind all starts granted before; fairness is in how many starts one request gets.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.inference.ports import Flow, Lease, Quota, UsageReport

_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class PaceConstants:
    """The constants of the algorithm; `pace.lua` gets them as an argument."""

    lease_seconds: float = 0.05  # what a worker that dies wastes of the quota
    retry_seconds: float = 0.05
    round_seconds: float = 5.0
    active_seconds: float = 0.1
    stale_seconds: float = 5.0  # a process without a report for so long counts as dead
    peak_seconds: float = 5.0  # time constant by which the largest call is forgotten
    cut_factor: float = 0.7
    first_cut_factor: float = 0.5  # a slow start overshoots while the provider's burst lasts
    cut_quiet_seconds: float = 0.5  # one change of quota causes many 429s; only the first one cuts
    floor_per_second: float = 0.1
    first_rate: float = 5.0
    growth_after_seconds: float = 1.0
    near_failing: float = 0.95
    fast_growth: float = 0.10
    first_probe: float = 0.002
    largest_probe: float = 0.25
    probe_doubling_seconds: float = 2.0
    epsilon: float = 1e-9


CONSTANTS = PaceConstants()


@dataclass(slots=True)
class Pace:
    """One quota. Times are seconds of any clock; `pace.lua` is the same algorithm for a fleet.

    A `rate` of 0 is not known yet: the first request sets it.
    """

    quota: Quota
    rate: float = 0.0
    next_start_at: float = 0.0
    next_token_start_at: float = 0.0
    cut_at: float = _NEVER
    failing_rate: float = -1.0
    seen_at: float = _NEVER
    parked_until: float = _NEVER
    peak: float = 0.0
    active: dict[tuple[Flow, str], float] = field(default_factory=dict)
    counts: dict[str, tuple[float, int, int]] = field(default_factory=dict)

    @property
    def ceiling(self) -> float:
        """Starts per second; 0 is unknown."""
        return self.quota.requests_per_minute / 60

    def lease(
        self, usage: UsageReport, now: float, *, flow: Flow, credit: float, tokens: Sequence[int]
    ) -> Lease:
        """Return the next starts for calls of so many `tokens` at the head of a flow's queue."""
        self.report(usage, now)
        if self.parked_until > now:
            return Lease(self.parked_until - now, self.rate, len(self.counts))
        share, smallest = self._shares((flow, usage.governor), now)
        waits, credit = self._grant(
            tokens[: self._room()], now, credit=credit, share=share, smallest=smallest
        )
        until = now + (waits[-1] if waits else CONSTANTS.retry_seconds)
        self.active[flow, usage.governor] = until + CONSTANTS.active_seconds
        if not self.ceiling:
            self._grow(len(waits) / self.rate, now)
        self._count_calls(usage, now, granted=len(waits))
        retry_seconds = 0.0 if waits else CONSTANTS.retry_seconds
        return Lease(0.0, self.rate, len(self.counts), retry_seconds, credit, waits)

    def cut(self, usage: UsageReport, now: float, *, hold_seconds: float = 0.0) -> bool:
        """Note a 429: the rate falls, once for all 429s of the same half second."""
        self.report(usage, now)
        burst = self.quota.usable_burst
        was_cut = now - self.cut_at > CONSTANTS.cut_quiet_seconds
        if was_cut:
            factor = CONSTANTS.cut_factor if self.failing_rate else CONSTANTS.first_cut_factor
            self.failing_rate, self.cut_at = self.rate, now
            self.rate = max(self.rate * factor, CONSTANTS.floor_per_second)
            # More than the burst that is left at this rate: the pause lets the provider's own
            # bucket fill up (a quota that halves is met with 17 refusals instead of 29).
            self.next_start_at = max(self.next_start_at, now + burst)
            self.next_token_start_at = max(self.next_token_start_at, now + burst)
        self.next_start_at = max(self.next_start_at, now + burst + hold_seconds)
        return was_cut

    def park(self, usage: UsageReport, now: float, *, seconds: float) -> None:
        """Grant nothing for so long: the quota is used up."""
        self.report(usage, now)
        self.parked_until = max(self.parked_until, now + seconds)

    def resume(self, usage: UsageReport, now: float) -> None:
        """Spend the burst: while this pace was not asked, the quota was used all the same."""
        self.report(usage, now)
        self.next_start_at = max(self.next_start_at, now + self.quota.usable_burst)

    # ------------------------------------------------------------ what has changed

    def report(self, usage: UsageReport, now: float) -> None:
        """Record a governor's usage, and what the time since the last request changes."""
        if not self.rate:
            self._begin(usage, now)
        back = max(0.0, self.seen_at - now)  # a clock that was set back moves all times with it
        self.next_start_at, self.next_token_start_at = (
            self.next_start_at - back,
            self.next_token_start_at - back,
        )
        self.cut_at, self.parked_until = self.cut_at - back, self.parked_until - back
        elapsed, self.seen_at = max(0.0, now - self.seen_at), now
        self.peak *= math.exp(-elapsed / CONSTANTS.peak_seconds)
        if self.ceiling:
            self._grow(elapsed, now)
        if tokens_rate := self._tokens_rate():
            self.next_token_start_at = (
                max(self.next_token_start_at, now) + usage.settle / tokens_rate
            )
        self._count_calls(usage, now, granted=0)

    def _begin(self, usage: UsageReport, now: float) -> None:
        self.seen_at = now
        self.rate = self._limited(usage.known_rate or self.ceiling or CONSTANTS.first_rate)
        if self.failing_rate < 0:
            self.failing_rate = self.ceiling
        if usage.known_rate:
            self.next_start_at = now + self.quota.usable_burst

    def _count_calls(self, usage: UsageReport, now: float, *, granted: int) -> None:
        calls = usage.in_flight + granted
        self.counts[usage.governor] = (now, calls, usage.waiting)
        if calls + usage.waiting == 0:
            del self.counts[usage.governor]

    def _room(self) -> int | None:
        """Return how many calls may start below the cap; None without one."""
        if not self.quota.in_flight:
            return None
        oldest, newest = (
            self.seen_at - CONSTANTS.stale_seconds,
            self.seen_at + CONSTANTS.stale_seconds,
        )
        self.counts = {
            name: count for name, count in self.counts.items() if oldest <= count[0] <= newest
        }
        return max(0, self.quota.in_flight - sum(calls for _, calls, _ in self.counts.values()))

    # ------------------------------------------------------------ the rate

    def _grow(self, seconds: float, now: float) -> None:
        # At most e-fold: an unknown quota must not leap over what one lease can show.
        growth = min(1.0, self._growth(now - self.cut_at) * seconds)
        self.rate = self._limited(self.rate * math.exp(growth))

    def _growth(self, quiet: float) -> float:
        if not self.failing_rate:
            return 1.0  # slow start: per second of use, so an idle fleet does not run ahead
        if quiet <= CONSTANTS.growth_after_seconds:
            return 0.0
        if self.rate < CONSTANTS.near_failing * self.failing_rate:
            return CONSTANTS.fast_growth
        doublings = quiet / CONSTANTS.probe_doubling_seconds
        # With a steady slow probe a worker that met a greedy neighbour stayed near zero.
        return float(min(CONSTANTS.largest_probe, CONSTANTS.first_probe * 2 ** min(doublings, 20)))

    def _limited(self, rate: float) -> float:
        return min(rate, self.ceiling) if self.ceiling else rate

    @property
    def _scale(self) -> float:
        """A 429 does not say which quota was meant, so requests and tokens slow down alike."""
        return self.rate / self.ceiling if self.ceiling else 1.0

    def _tokens_rate(self) -> float:
        return self.quota.tokens_per_minute / 60 * self._scale

    # ------------------------------------------------------------ the next starts

    def _shares(self, member: tuple[Flow, str], now: float) -> tuple[float, float]:
        """Return the member's part of the quota and the smallest part of any.

        Projects share equally, their jobs by weight, the processes of a job equally.
        """
        self.active = {each: until for each, until in self.active.items() if until > now}
        self.active.setdefault(member, now + 1)
        members = Counter((flow.project_id, flow.job_id) for flow, _ in self.active)
        weights = {(flow.project_id, flow.job_id): flow.weight for flow, _ in self.active}
        totals: dict[str, float] = {}
        for (project, _), weight in weights.items():
            totals[project] = totals.get(project, 0.0) + weight
        parts = {
            job: weights[job] / totals[job[0]] / len(totals) / count
            for job, count in members.items()
        }
        return parts[member[0].project_id, member[0].job_id], min(parts.values())

    def _grant(
        self, tokens: Sequence[int], now: float, *, credit: float, share: float, smallest: float
    ) -> tuple[list[float], float]:
        """Deficit round robin: each turn is worth its share of a round, in seconds of quota.

        A round is as long as a lease, or as the largest call needs to fit the smallest turn.
        """
        interval, tokens_rate = 1 / self.rate, self._tokens_rate()
        costs = [count / tokens_rate if tokens_rate else 0.0 for count in tokens]
        waits: list[float] = []
        for cost in costs:
            self.peak = max(self.peak, cost)
            if not waits:
                longest = max(self.peak, interval) / smallest
                turn = share * min(CONSTANTS.round_seconds, max(CONSTANTS.lease_seconds, longest))
                credit = min(credit, turn) + turn
            elif credit <= CONSTANTS.epsilon:
                break
            waits.append(self._place(cost, now) - now)
            credit -= max(interval, cost)
        return waits, credit

    def _place(self, tokens_seconds: float, now: float) -> float:
        """Return the start of a call behind all placed before, by requests and by tokens."""
        burst = self.quota.usable_burst
        start = max(now, self.next_start_at - burst * self._scale)
        if tokens_seconds:
            room = burst - min(tokens_seconds, burst)
            start = max(start, self.next_token_start_at - room)
            self.next_token_start_at = max(self.next_token_start_at, start) + tokens_seconds
        self.next_start_at = max(self.next_start_at, start) + 1 / self.rate
        return start
