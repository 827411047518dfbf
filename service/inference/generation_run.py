"""One run of many calls: requests are read, sent when paced, and results stored in batches."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from service.inference.attempts import Attempts
from service.inference.ports import (
    BudgetGuard,
    CallLimits,
    Flow,
    GenerationRequest,
    GenerationResult,
    Generator,
    Governor,
    Outcome,
)
from service.jobs.ports import Preempted

STORE_SECONDS = 0.02  # how far writer may lag behind; after a crash these calls are paid for again
STORE_ROWS = 200
CHECK_SECONDS = 0.1  # part of the 2 s within which a cancel is to be seen
# A call in flight is paid for, so a run that ends still waits for it: less than the 20 s of a
# worker's soft shutdown, the 10 s of an interruption, and the 2 s within which a cancel must act.
GRACE_SECONDS, INTERRUPTED_SECONDS, CANCELLED_SECONDS = 15.0, 5.0, 0.5
READ_ROWS = 32
REFUSED_SECONDS = 30.0  # a quota of a minute is refilled by then

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Summary:
    """`answered` are stored results that are no failure; `retried` and so on are calls."""

    requests: int
    answered: int
    retried: int
    refused_429: int
    prompt_tokens: int
    output_tokens: int
    hedged: int = 0


class GenerationRun:
    """One run, used once, on a running event loop. `operations.generate_all` says what it does."""

    def __init__(  # noqa: PLR0913  its collaborators
        self,
        requests: Iterable[GenerationRequest],
        *,
        generator: Generator,
        governor: Governor,
        flow: Flow,
        limits: CallLimits,
        budget_guard: BudgetGuard | None,
        store: Callable[[Sequence[GenerationResult]], None],
        check: Callable[[], None],
        warn: Callable[[bool], None],
    ) -> None:
        self._requests = iter(requests)
        self._store, self._check, self._warn = store, check, warn
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._results: asyncio.Queue[GenerationResult | None] = asyncio.Queue()
        self._calls: set[asyncio.Task[None]] = set()
        self._threads: set[asyncio.Future[Any]] = set()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unsettled, self._all_read, self._grace_seconds = 0, False, GRACE_SECONDS
        self._attempts = Attempts(
            generator=generator,
            governor=governor,
            flow=flow,
            limits=limits,
            budget_guard=budget_guard,
            has_ended=self._ended.done,
        )
        self._tally = self._attempts.tally

    async def run(self) -> Summary:
        stages = [self._spawn(stage()) for stage in (self._read, self._watch)]
        writer = self._spawn(self._store_results())
        try:
            await self._ended
        except asyncio.CancelledError:
            self._grace_seconds = INTERRUPTED_SECONDS
            raise
        finally:
            await self._shut_down(stages, writer)
        names = Summary.__dataclass_fields__
        return Summary(**{name: self._tally[name] for name in names})

    # ------------------------------------------------------------ the stages

    async def _read(self) -> None:
        """Read requests as slots become free, and start their calls."""
        while not self._all_read:
            free = await self._take_slots()
            fresh: list[GenerationRequest] = await self._run_callback(
                list, islice(self._requests, free)
            )
            for _ in range(free - len(fresh)):
                self._slots.release()
            self._all_read = len(fresh) < free
            self._unsettled += len(fresh)
            self._tally["requests"] += len(fresh)
            for request in fresh:
                self._calls.add(self._spawn(self._complete(request)))
        self._end_when_settled()

    async def _take_slots(self) -> int:
        await self._slots.acquire()
        taken = 1
        while taken < READ_ROWS and not self._slots.locked():
            await self._slots.acquire()
            taken += 1
        return taken

    async def _complete(self, request: GenerationRequest) -> None:
        await self._attempts.complete(request, self._results.put_nowait)

    async def _watch(self) -> None:
        """Call `check` ten times a second, and `warn` when a long refusal begins or ends."""
        refused = False
        while True:
            await self._run_callback(self._check)
            if refused != (self._attempts.refused_seconds() > REFUSED_SECONDS):
                refused = not refused
                await self._run_callback(self._warn, refused)
            await asyncio.sleep(CHECK_SECONDS)

    async def _store_results(self) -> None:
        """Store results in their order of arrival, one batch at a time, until the None."""
        is_last = False
        while not is_last:
            first = await self._results.get()
            if self._results.qsize() < STORE_ROWS and first:
                await asyncio.sleep(STORE_SECONDS)
            waiting = [first, *self._waiting_results()]
            batch = [result for result in waiting if result]
            is_last = len(batch) < len(waiting)
            if batch:
                await self._in_thread(self._store, batch)
                self._settle(batch)

    def _waiting_results(self) -> list[GenerationResult | None]:
        count = min(self._results.qsize(), STORE_ROWS - 1)
        return [self._results.get_nowait() for _ in range(count)]

    def _settle(self, batch: Sequence[GenerationResult]) -> None:
        for result in batch:
            self._tally["answered"] += result.generation.outcome is not Outcome.FAILED
            self._tally["prompt_tokens"] += result.generation.prompt_tokens
            self._tally["output_tokens"] += result.generation.output_tokens
            self._slots.release()
        self._unsettled -= len(batch)
        self._end_when_settled()

    # ------------------------------------------------------------ the end

    def _end_when_settled(self) -> None:
        if self._all_read and self._unsettled == 0 and not self._ended.done():
            self._ended.set_result(None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not self._ended.done():
            self._ended.set_exception(error)

    async def _run_callback(self, function: Callable[..., Value], *arguments: object) -> Value:
        """Run the caller's code; any error but Preempted shortens the grace of calls in flight."""
        try:
            return await self._in_thread(function, *arguments)
        except Exception as error:
            if not isinstance(error, Preempted) and not self._ended.done():
                self._grace_seconds = CANCELLED_SECONDS
            raise

    async def _in_thread(self, function: Callable[..., Value], *arguments: object) -> Value:
        """Run blocking code in a thread; `_shut_down` waits for it even if its stage is gone."""
        work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
        self._threads.add(work)
        work.add_done_callback(self._threads.discard)
        return await asyncio.shield(work)

    async def _shut_down(
        self, stages: Sequence[asyncio.Task[None]], writer: asyncio.Task[None]
    ) -> None:
        """Start nothing more, wait for calls in flight as long as the grace, store all results."""
        in_flight = self._attempts.in_flight
        for task in (*stages, *(self._calls - in_flight)):
            task.cancel()
        if in_flight and not writer.done():  # after an error of `store` no result can be stored
            await asyncio.wait(in_flight, timeout=self._grace_seconds)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*stages, *self._calls, return_exceptions=True)
        self._results.put_nowait(None)
        await asyncio.wait({writer, *self._threads})
