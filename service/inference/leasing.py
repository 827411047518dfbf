"""Calls wait in line for their start; starts are leased ahead, one lease at a time per flow."""

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from service.inference.pacing import Lease, News, Quota
from service.inference.ports import Flow
from service.inference.retry import QuotaExhausted

REPORT_SECONDS = 1.0
MOST_CALLS_OF_A_LEASE = 200
_EARLY_SECONDS = 0.0005  # the resolution of a loop's timers
_CUT_KNOWN_SECONDS = 0.45  # a rate just cut is not cut again, so the question can be spared


class PaceSource(Protocol):
    """Where leases come from: this process, or the Redis of a fleet."""

    async def lease(self, news: News, *, flow: Flow, credit: float, tokens: list[int]) -> Lease: ...

    async def cut(self, news: News, *, hold_seconds: float) -> bool: ...

    async def park(self, news: News, *, seconds: float) -> None: ...

    async def report(self, news: News) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class _Waiting:
    tokens: Callable[[], int]
    start: asyncio.Future[int]  # the tokens that are reserved with it


@dataclass(slots=True)
class _Line:
    flow: Flow
    calls: deque[_Waiting] = field(default_factory=deque)
    last_lease: int = 2
    task: asyncio.Task[None] | None = None

    def head(self) -> list[int]:
        """Return the tokens of the next calls, as many as a lease may hold."""
        while self.calls and self.calls[0].start.done():
            self.calls.popleft()
        most = min(len(self.calls), 2 * self.last_lease + 4, MOST_CALLS_OF_A_LEASE)
        return [self.calls[position].tokens() for position in range(most)]

    def pop(self) -> _Waiting | None:
        """Return the next call that still waits."""
        while self.calls:
            call = self.calls.popleft()
            if not call.start.done():
                return call
        return None


class LeasingGovernor:
    """A Governor over any source of leases. Belongs to the event loop that uses it first."""

    def __init__(self, source: PaceSource, quota: Quota) -> None:
        self.name = uuid.uuid4().hex
        self._source, self._lapse_seconds = source, quota.lapse_seconds
        self._report_seconds = REPORT_SECONDS / 4 if quota.in_flight else REPORT_SECONDS
        self._lines: dict[Flow, _Line] = {}
        self._in_flight, self._held, self._waiting, self._settle = 0, 0, 0, 0
        self._cuts, self._cut_at = 0, -1e9
        self._reporting: asyncio.Task[None] | None = None

    async def acquire(self, flow: Flow, *, tokens: Callable[[], int], first: bool = False) -> int:
        call = _Waiting(tokens, asyncio.get_running_loop().create_future())
        line = self._line(flow)
        if first:
            line.calls.appendleft(call)
        else:
            line.calls.append(call)
        self._waiting += 1
        try:
            return await call.start
        except asyncio.CancelledError:
            if call.start.done() and not call.start.cancelled():  # a start that nobody takes
                self.release(flow, estimated=call.start.result(), used=0)
            raise
        finally:
            self._waiting -= 1

    def release(self, flow: Flow, *, estimated: int, used: int) -> None:  # noqa: ARG002
        self._in_flight -= 1
        self._settle += used - estimated

    async def refused(self, *, hold_seconds: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        if not hold_seconds and loop.time() - self._cut_at < _CUT_KNOWN_SECONDS:
            return
        asked = loop.time()
        if await self._source.cut(self._news(), hold_seconds=hold_seconds):
            self._cut_at = asked
            self._cuts += 1  # what is left of the leases has the old spacing

    async def park(self, seconds: float) -> None:
        await self._source.park(self._news(), seconds=seconds)
        for line in list(self._lines.values()):
            _refuse(line, seconds)

    async def close(self) -> None:
        """Let go of everything; the next call begins anew."""
        tasks = [line.task for line in self._lines.values()] + [self._reporting]
        for task in filter(None, tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._lines, self._reporting = {}, None
        self._in_flight = self._held = self._waiting = 0
        await self._source.close()

    # ------------------------------------------------------------ one line

    def _line(self, flow: Flow) -> _Line:
        line = self._lines.get(flow)
        if line is None:
            line = self._lines[flow] = _Line(flow)
            line.task = asyncio.create_task(self._serve(line))
            if self._reporting is None or self._reporting.done():
                self._reporting = asyncio.create_task(self._report())
        return line

    async def _serve(self, line: _Line) -> None:
        """Ask for leases as long as calls wait; a call that is late in joining opens a new line."""
        try:
            await asyncio.sleep(0)  # the first call is not alone
            await self._start_all(line)
        except Exception as error:  # noqa: BLE001  it is theirs who wait
            _refuse_all(line, error)
        finally:
            self._lines.pop(line.flow, None)
            for call in line.calls:
                call.start.cancel()

    async def _start_all(self, line: _Line) -> None:
        credit = 0.0
        while tokens := line.head():
            lease = await self._source.lease(
                self._news(), flow=line.flow, credit=credit, tokens=tokens
            )
            credit = lease.credit
            if lease.parked > 0:
                _refuse(line, lease.parked)
            elif not lease.waits:
                await asyncio.sleep(lease.again * random.uniform(0.8, 1.2))  # noqa: S311  spread
            else:
                line.last_lease = len(lease.waits)
                await self._start_leased(line, lease, tokens[: len(lease.waits)])

    async def _start_leased(self, line: _Line, lease: Lease, tokens: list[int]) -> None:
        loop, cuts = asyncio.get_running_loop(), self._cuts
        # Counted from the answer: a start may be late, which lapses, but never early.
        arrived = loop.time()
        self._held += len(tokens)
        used = 0
        try:
            for wait in lease.waits:
                delay = arrived + wait - loop.time()
                if delay > _EARLY_SECONDS:
                    await asyncio.sleep(delay)
                    delay = arrived + wait - loop.time()
                if cuts != self._cuts:
                    break
                if delay >= -self._lapse_seconds and not self._start(line, tokens[used]):
                    break
                if delay < -self._lapse_seconds:
                    self._settle -= tokens[used]
                used += 1
                self._held -= 1
        finally:
            self._held -= len(tokens) - used
            self._settle -= sum(tokens[used:])

    def _start(self, line: _Line, tokens: int) -> bool:
        call = line.pop()
        if call is None:
            return False
        self._in_flight += 1
        call.start.set_result(tokens)
        return True

    # ------------------------------------------------------------ news

    def _news(self) -> News:
        settle, self._settle = self._settle, 0
        in_flight = self._in_flight + self._held
        return News(self.name, in_flight=in_flight, waiting=self._waiting, settle=settle)

    async def _report(self) -> None:
        """Tell once a second what is in flight, and a last time when nothing is."""
        busy = True
        while busy:
            await asyncio.sleep(self._report_seconds)
            busy = self._in_flight + self._waiting > 0
            await self._source.report(self._news())


def _refuse(line: _Line, seconds: float) -> None:
    message = f"the provider's quota is used up for another {seconds:.0f} s"
    _refuse_all(line, QuotaExhausted(message, resume_seconds=seconds))


def _refuse_all(line: _Line, error: Exception) -> None:
    while call := line.pop():
        call.start.set_exception(error)
