"""A fleet and its provider in simulated time: the real governor code, no waiting."""

import asyncio
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from service.inference.governor import LeasingGovernor
from service.inference.pace import Pace
from service.inference.ports import Flow, Lease, Quota, UsageReport


class _Jumping(selectors.SelectSelector):
    """Where a loop would sleep until its next timer, the time is simply there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits and nothing will ever happen")
        self.now += max(0.0, timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def simulate(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run to its end in a loop whose clock starts at 0 and never waits."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class SharedState:
    """What a Redis would hold; its clock may be set anew."""

    pace: Pace
    clock_offset: float = 1e6

    @property
    def clock(self) -> float:
        return now() + self.clock_offset


@dataclass
class Link:
    """A process's way to the shared state: every question takes its time, there and back."""

    state: SharedState
    seconds: Callable[[], float] = lambda: 0.0

    async def _there(self) -> None:
        await asyncio.sleep(self.seconds())

    async def lease(
        self, usage: UsageReport, *, flow: Flow, credit: float, tokens: list[int]
    ) -> Lease:
        await self._there()
        lease = self.state.pace.lease(
            usage, self.state.clock, flow=flow, credit=credit, tokens=tokens
        )
        await self._there()
        return lease

    async def cut(self, usage: UsageReport, *, hold_seconds: float) -> bool:
        await self._there()
        return self.state.pace.cut(usage, self.state.clock, hold_seconds=hold_seconds)

    async def park(self, usage: UsageReport, *, seconds: float) -> None:
        self.state.pace.park(usage, self.state.clock, seconds=seconds)

    async def report(self, usage: UsageReport) -> None:
        self.state.pace.report(usage, self.state.clock)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class SimulatedProvider:
    """Two token buckets, of requests and of tokens, that start full; 0 means no quota."""

    requests_per_second: float
    tokens_per_second: float = 0
    burst_seconds: float = 1.0
    latency_seconds: float = 0.2
    accepted: Counter[Flow] = field(default_factory=Counter)
    accepted_tokens: int = 0
    refused: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    _used: float = 0.0
    _used_tokens: float = 0.0
    _seen_at: float = 0.0

    async def call(self, flow: Flow, *, tokens: int = 0, output: int = 0) -> bool:
        """Return whether the call was let in."""
        if not self._admits(tokens):
            self.refused += 1
            return False
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency_seconds)
        finally:
            self.in_flight -= 1
        self._used_tokens += output
        self.accepted[flow] += 1
        self.accepted_tokens += tokens + output
        return True

    def _admits(self, tokens: int) -> bool:
        elapsed, self._seen_at = now() - self._seen_at, now()
        self._used = max(0.0, self._used - elapsed * self.requests_per_second)
        self._used_tokens = max(0.0, self._used_tokens - elapsed * self.tokens_per_second)
        # One call more than the burst: what a line of spaced starts may show by itself.
        if self._used > self.requests_per_second * self.burst_seconds + 1e-6:
            return False
        most = self.tokens_per_second * self.burst_seconds
        if self.tokens_per_second and self._used_tokens + min(tokens, most) > most + 1e-6:
            return False
        self._used, self._used_tokens = self._used + 1, self._used_tokens + tokens
        return True


@dataclass
class Process:
    """One worker: sends the calls of its flows as its governor lets them start."""

    governor: LeasingGovernor
    provider: SimulatedProvider
    window: int = 64
    starts: list[tuple[float, Flow]] = field(default_factory=list)
    began: dict[Flow, float] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def work(self, flow: Flow, *, tokens: int = 0, output: int = 0, calls: int = 10**9) -> None:
        """Send so many calls, a window of them at a time."""
        left = iter(range(calls))
        self.began[flow] = now()

        async def send() -> None:
            for _ in left:
                await self._send(flow, tokens, output)

        self._tasks += [asyncio.create_task(send()) for _ in range(min(self.window, calls))]

    async def _send(self, flow: Flow, tokens: int, output: int) -> None:
        accepted, again = False, False
        while not accepted:
            await self.governor.acquire(flow, tokens=lambda: tokens, first=again)
            self.starts.append((now(), flow))
            accepted = await self.provider.call(flow, tokens=tokens, output=output)
            used = tokens + output if accepted else 0
            self.governor.release(flow, estimated=tokens, used=used)
            if not accepted:
                again = True
                await self.governor.refused()

    async def finish(self) -> None:
        await asyncio.gather(*self._tasks)
        await self.governor.close()

    async def die(self) -> None:
        """Stop where it is, without a report."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.governor.close()


@dataclass
class SimulatedFleet:
    """Processes that share one pace and one provider."""

    quota: Quota
    provider: SimulatedProvider
    link_seconds: Callable[[], float] = lambda: 0.0
    processes: list[Process] = field(default_factory=list)
    everyone: list[Process] = field(default_factory=list)  # the dead included

    def __post_init__(self) -> None:
        self.state = SharedState(Pace(self.quota))

    def start(self, *, window: int = 64) -> Process:
        link = Link(self.state, self.link_seconds)
        process = Process(LeasingGovernor(link, self.quota), self.provider, window)
        self.processes.append(process)
        self.everyone.append(process)
        return process

    def starts(self) -> list[float]:
        """Return when calls were started, by whomever."""
        return sorted(at for process in self.everyone for at, _ in process.starts)

    async def stop(self) -> None:
        for process in self.processes:
            await process.die()


def starts_beyond(starts: list[float], *, rate: float, burst_seconds: float) -> int:
    """Return how many starts a bucket of this rate and burst would not have let through."""
    used = seen_at = 0.0
    beyond = 0
    for at in starts:
        used, seen_at = max(0.0, used - (at - seen_at) * rate), at
        # One more than the burst: what a line of spaced starts may show by itself.
        if used > rate * burst_seconds + 1e-6:
            beyond += 1
        else:
            used += 1
    return beyond


def run_for(
    seconds: float, fleet: SimulatedFleet, begin: Callable[[], object] = lambda: None
) -> None:
    """Simulate so many seconds of a fleet; `begin` sets it to work."""

    async def main() -> None:
        begun = begin()
        if isinstance(begun, Awaitable):
            await begun
        await asyncio.sleep(seconds - now())
        await fleet.stop()

    simulate(main)
