"""The quota governor: calls queue for their start; starts are leased ahead, one lease per flow."""

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from service.catalogue.catalogue import unversioned
from service.inference.pace import Pace
from service.inference.ports import Flow, Lease, Quota, UsageReport
from service.inference.retry import QuotaExhausted
from service.settings import QuotaSetting, Settings

REPORT_SECONDS = 1.0
CANCEL_AGAIN_SECONDS = 1.0
MOST_CALLS_OF_A_LEASE = 200
_EARLY_SECONDS = 0.0005  # the resolution of a loop's timers
_CUT_KNOWN_SECONDS = 0.45  # a rate just cut is not cut again, so the request can be skipped


class PaceSource(Protocol):
    """Where leases come from: this process, or the Redis of a fleet."""

    async def lease(
        self, usage: UsageReport, *, flow: Flow, credit: float, tokens: list[int]
    ) -> Lease: ...

    async def cut(self, usage: UsageReport, *, hold_seconds: float) -> bool: ...

    async def park(self, usage: UsageReport, *, seconds: float) -> None: ...

    async def report(self, usage: UsageReport) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class _Waiting:
    tokens: Callable[[], int]
    start: asyncio.Future[int]  # resolves to the tokens reserved for the call


@dataclass(slots=True)
class _FlowQueue:
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
    """A Governor over any PaceSource. Belongs to the event loop that uses it first."""

    def __init__(self, source: PaceSource, quota: Quota) -> None:
        self.name = uuid.uuid4().hex
        self._source, self._lapse_seconds = source, quota.lapse_seconds
        self._report_seconds = REPORT_SECONDS / 4 if quota.in_flight else REPORT_SECONDS
        self._queues: dict[Flow, _FlowQueue] = {}
        self._in_flight, self._held, self._waiting, self._settle = 0, 0, 0, 0
        self._cuts, self._cut_at = 0, -1e9
        self._reporting: asyncio.Task[None] | None = None

    async def acquire(self, flow: Flow, *, tokens: Callable[[], int], first: bool = False) -> int:
        call = _Waiting(tokens, asyncio.get_running_loop().create_future())
        queue = self._queue(flow)
        if first:
            queue.calls.appendleft(call)
        else:
            queue.calls.append(call)
        self._waiting += 1
        try:
            return await call.start
        except asyncio.CancelledError:
            if call.start.done() and not call.start.cancelled():  # a start that is not used
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
        requested_at = loop.time()
        if await self._source.cut(self._usage_report(), hold_seconds=hold_seconds):
            self._cut_at = requested_at
            self._cuts += 1  # the starts that remain leased have the old spacing

    async def park(self, seconds: float) -> None:
        await self._source.park(self._usage_report(), seconds=seconds)
        for queue in list(self._queues.values()):
            _refuse(queue, seconds)

    async def close(self) -> None:
        """Cancel all waiting calls and close the source; the next call starts afresh."""
        tasks = [queue.task for queue in self._queues.values()] + [self._reporting]
        for task in filter(None, tasks):
            await end_task(task)
        self._queues, self._reporting = {}, None
        self._in_flight = self._held = self._waiting = 0
        await self._source.close()

    # ------------------------------------------------------------ one queue

    def _queue(self, flow: Flow) -> _FlowQueue:
        queue = self._queues.get(flow)
        if queue is None:
            queue = self._queues[flow] = _FlowQueue(flow)
            queue.task = asyncio.create_task(self._serve(queue))
            if self._reporting is None or self._reporting.done():
                self._reporting = asyncio.create_task(self._report())
        return queue

    async def _serve(self, queue: _FlowQueue) -> None:
        """Request leases while calls wait; a call that joins too late opens a new queue."""
        try:
            await asyncio.sleep(0)  # lets the calls of the same turn join the first lease
            await self._start_all(queue)
        except Exception as error:  # noqa: BLE001  raised again by every waiting call
            _refuse_all(queue, error)
        finally:
            self._queues.pop(queue.flow, None)
            for call in queue.calls:
                call.start.cancel()

    async def _start_all(self, queue: _FlowQueue) -> None:
        credit = 0.0
        while tokens := queue.head():
            lease = await self._source.lease(
                self._usage_report(), flow=queue.flow, credit=credit, tokens=tokens
            )
            credit = lease.credit
            if lease.parked > 0:
                _refuse(queue, lease.parked)
            elif not lease.waits:
                await asyncio.sleep(lease.retry_seconds * random.uniform(0.8, 1.2))  # noqa: S311  spread
            else:
                queue.last_lease = len(lease.waits)
                await self._start_leased(queue, lease, tokens[: len(lease.waits)])

    async def _start_leased(self, queue: _FlowQueue, lease: Lease, tokens: list[int]) -> None:
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
                if delay >= -self._lapse_seconds and not self._start(queue, tokens[used]):
                    break
                if delay < -self._lapse_seconds:
                    self._settle -= tokens[used]
                used += 1
                self._held -= 1
        finally:
            self._held -= len(tokens) - used
            self._settle -= sum(tokens[used:])

    def _start(self, queue: _FlowQueue, tokens: int) -> bool:
        call = queue.pop()
        if call is None:
            return False
        self._in_flight += 1
        call.start.set_result(tokens)
        return True

    # ------------------------------------------------------------ usage reports

    def _usage_report(self) -> UsageReport:
        settle, self._settle = self._settle, 0
        in_flight = self._in_flight + self._held
        return UsageReport(self.name, in_flight=in_flight, waiting=self._waiting, settle=settle)

    async def _report(self) -> None:
        """Report once a second what is in flight, and once more when nothing is."""
        busy = True
        while busy:
            await asyncio.sleep(self._report_seconds)
            busy = self._in_flight + self._waiting > 0
            await self._source.report(self._usage_report())


class LocalGovernor(LeasingGovernor):
    """Paces the calls of one process."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(LocalPace(Pace(quota)), quota)


class LocalPace:
    """A PaceSource within this process, on the event loop's clock."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    async def lease(
        self, usage: UsageReport, *, flow: Flow, credit: float, tokens: list[int]
    ) -> Lease:
        return self._pace.lease(
            usage, asyncio.get_running_loop().time(), flow=flow, credit=credit, tokens=tokens
        )

    async def cut(self, usage: UsageReport, *, hold_seconds: float) -> bool:
        return self._pace.cut(usage, asyncio.get_running_loop().time(), hold_seconds=hold_seconds)

    async def park(self, usage: UsageReport, *, seconds: float) -> None:
        self._pace.park(usage, asyncio.get_running_loop().time(), seconds=seconds)

    async def report(self, usage: UsageReport) -> None:
        self._pace.report(usage, asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Nothing is held."""


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11 loses a cancellation that comes as its
    own future completes (https://github.com/python/cpython/issues/86296), and Redis' client waits
    in it.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)


def _refuse(queue: _FlowQueue, seconds: float) -> None:
    message = f"the provider's quota is used up for another {seconds:.0f} s"
    _refuse_all(queue, QuotaExhausted(message, resume_seconds=seconds))


def _refuse_all(queue: _FlowQueue, error: Exception) -> None:
    while call := queue.pop():
        call.start.set_exception(error)


def quota_of(settings: Settings, *, location: str, base_model: str) -> Quota:
    """Return the quota of a model: `location/base_model` before `base_model` before all."""
    named = {unversioned(name): each for name, each in settings.quotas.items()}
    base_model = unversioned(base_model)
    own = named.get(f"{location}/{base_model}") or named.get(base_model) or QuotaSetting()
    general = Quota(
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        burst_seconds=settings.burst_seconds,
        in_flight=settings.fleet_calls_in_flight,
    )
    return replace(general, **own.model_dump(exclude_none=True))


def quota_key(project: str, *, location: str, base_model: str) -> str:
    """Return the name of one quota: Google counts per project, location and base model, whose
    versions have none of their own: another spelling would be another pace.
    """
    return f"quota:{project}/{location}/{unversioned(base_model)}"
