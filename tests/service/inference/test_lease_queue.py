"""Calls in line: who is served first, and what becomes of starts that no call takes."""

import asyncio
from dataclasses import dataclass, field

import pytest

from service.inference.governor import LeasingGovernor, LocalPace
from service.inference.pace import Pace
from service.inference.ports import Flow, Lease, Quota, UsageReport
from tests.service.inference.simulation import now, simulate

FLOW = Flow("p", "a")
QUOTA = Quota(requests_per_minute=600)


@dataclass
class Listening:
    """Leases as usual, and records the governor's reports."""

    quota: Quota = QUOTA
    reports: list[UsageReport] = field(default_factory=list)
    breaks: bool = False

    def __post_init__(self) -> None:
        self.paces = LocalPace(Pace(self.quota))

    async def lease(
        self, usage: UsageReport, *, flow: Flow, credit: float, tokens: list[int]
    ) -> Lease:
        if self.breaks:
            raise RuntimeError("broken")
        self.reports.append(usage)
        return await self.paces.lease(usage, flow=flow, credit=credit, tokens=tokens)

    async def cut(self, usage: UsageReport, *, hold_seconds: float) -> bool:
        return await self.paces.cut(usage, hold_seconds=hold_seconds)

    async def park(self, usage: UsageReport, *, seconds: float) -> None:
        await self.paces.park(usage, seconds=seconds)

    async def report(self, usage: UsageReport) -> None:
        self.reports.append(usage)

    async def close(self) -> None:
        """Nothing is held."""


def test_a_call_that_comes_back_is_served_before_those_that_wait() -> None:
    served: list[str] = []

    async def main() -> None:
        governor = LeasingGovernor(Listening(), QUOTA)

        async def call(name: str, *, first: bool = False) -> None:
            await governor.acquire(FLOW, tokens=lambda: 0, first=first)
            served.append(name)

        waiting = [asyncio.create_task(call(f"new-{number}")) for number in range(20)]
        await asyncio.sleep(0.45)
        await asyncio.gather(call("back", first=True), *waiting)
        await governor.close()

    simulate(main)
    assert served.index("back") <= 8


def test_a_call_that_is_given_up_frees_its_start_and_its_tokens() -> None:
    quota = Quota(requests_per_minute=600, tokens_per_minute=60_000, burst_seconds=1)
    source = Listening(quota)

    async def main() -> None:
        governor = LeasingGovernor(source, quota)
        calls = [asyncio.create_task(governor.acquire(FLOW, tokens=lambda: 100)) for _ in range(40)]
        await asyncio.sleep(2)
        for call in calls[30:]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for _ in range(30):
            governor.release(FLOW, estimated=0, used=0)
        await asyncio.sleep(2)
        await governor.close()

    simulate(main)
    assert (source.reports[-1].in_flight, source.reports[-1].waiting) == (0, 0)


def test_the_truth_about_tokens_goes_with_the_next_question() -> None:
    source = Listening()

    async def main() -> None:
        governor = LeasingGovernor(source, QUOTA)
        await governor.acquire(FLOW, tokens=lambda: 500)
        governor.release(FLOW, estimated=500, used=320)
        await governor.acquire(FLOW, tokens=lambda: 500)
        await governor.close()

    simulate(main)
    assert [usage.settle for usage in source.reports] == [0, -180]


def test_what_is_in_flight_is_reported_once_a_second_and_its_end_too() -> None:
    source = Listening()

    async def main() -> None:
        governor = LeasingGovernor(source, QUOTA)
        await governor.acquire(FLOW, tokens=lambda: 0)
        await asyncio.sleep(3.5)
        governor.release(FLOW, estimated=0, used=0)
        await asyncio.sleep(5)
        await governor.close()

    simulate(main)
    assert [usage.in_flight for usage in source.reports[1:]] == [1, 1, 1, 0]


def test_the_error_of_a_broken_source_reaches_every_waiting_call() -> None:
    async def main() -> None:
        governor = LeasingGovernor(Listening(breaks=True), QUOTA)
        with pytest.raises(RuntimeError, match="broken"):
            await governor.acquire(FLOW, tokens=lambda: 0)
        await governor.close()

    simulate(main)


def test_a_lease_that_a_cut_overtakes_is_not_used_up() -> None:
    starts: list[float] = []

    async def main() -> None:
        quota = Quota(requests_per_minute=60_000)
        governor = LeasingGovernor(Listening(quota), quota)

        async def call() -> None:
            await governor.acquire(FLOW, tokens=lambda: 0)
            starts.append(now())

        calls = [asyncio.create_task(call()) for _ in range(150)]
        await asyncio.sleep(0.06)
        before = len(starts)
        await governor.refused(hold_seconds=5)
        await asyncio.sleep(4.9)
        assert len(starts) <= before + 1
        await asyncio.gather(*calls)
        await governor.close()

    simulate(main)
