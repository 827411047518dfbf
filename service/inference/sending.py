"""One run of many calls: each waits for its start, and results leave in batches."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from service.inference.attempts import Answered as Answered
from service.inference.attempts import Attempts
from service.inference.attempts import CallLimits as CallLimits
from service.inference.ports import (
    Draining,
    Flow,
    GenerationRequest,
    Generator,
    Governor,
    Outcome,
    Purse,
)

STORE_SECONDS = 0.02  # how far the store may lag behind; a crash pays for this again
STORE_ROWS = 200
CHECK_SECONDS = 0.1  # part of the 2 s within which a cancel is to be seen
# A call in flight is paid for, so an ending run still waits for it: below the 20 s of a worker's
# soft shutdown, the 10 s of an interruption, and the 2 s within which a cancel is to be seen.
PATIENT_SECONDS, INTERRUPTED_SECONDS, HASTY_SECONDS = 15.0, 5.0, 0.5
READ_ROWS = 32

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


class Sending:
    """One run, used once, on a running event loop. `operations.generate_all` says what it does."""

    def __init__(
        self,
        requests: Iterable[GenerationRequest],
        *,
        generator: Generator,
        governor: Governor,
        flow: Flow,
        limits: CallLimits,
        purse: Purse | None,
        store: Callable[[Sequence[Answered]], None],
        check: Callable[[], None],
    ) -> None:
        self._requests = iter(requests)
        self._store, self._check = store, check
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._results: asyncio.Queue[Answered | None] = asyncio.Queue()
        self._calls: set[asyncio.Task[None]] = set()
        self._threads: set[asyncio.Future[Any]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open, self._all_read, self._grace = 0, False, PATIENT_SECONDS
        self._attempts = Attempts(
            generator=generator,
            governor=governor,
            flow=flow,
            limits=limits,
            purse=purse,
            is_over=self._over.done,
        )
        self._tally = self._attempts.tally

    async def run(self) -> Summary:
        stages = [self._spawn(stage()) for stage in (self._read, self._watch)]
        storing = self._spawn(self._hand_over())
        try:
            await self._over
        except asyncio.CancelledError:
            self._grace = INTERRUPTED_SECONDS
            raise
        finally:
            await self._wind_up(stages, storing)
        names = Summary.__dataclass_fields__
        return Summary(**{name: self._tally[name] for name in names})

    # ------------------------------------------------------------ the stages

    async def _read(self) -> None:
        """Put requests in line as slots come free."""
        while not self._all_read:
            free = await self._take_slots()
            fresh: list[GenerationRequest] = await self._consult(list, islice(self._requests, free))
            for _ in range(free - len(fresh)):
                self._slots.release()
            self._all_read = len(fresh) < free
            self._open += len(fresh)
            self._tally["requests"] += len(fresh)
            for request in fresh:
                self._calls.add(self._spawn(self._carry(request)))
        self._end_when_settled()

    async def _take_slots(self) -> int:
        await self._slots.acquire()
        taken = 1
        while taken < READ_ROWS and not self._slots.locked():
            await self._slots.acquire()
            taken += 1
        return taken

    async def _carry(self, request: GenerationRequest) -> None:
        if result := await self._attempts.carry(request):
            self._results.put_nowait(result)

    async def _watch(self) -> None:
        """Ask ten times a second whether the run may go on."""
        while True:
            await self._consult(self._check)
            await asyncio.sleep(CHECK_SECONDS)

    async def _hand_over(self) -> None:
        """Store results in their order of arrival, one batch at a time, until the None."""
        sealed = False
        while not sealed:
            first = await self._results.get()
            if self._results.qsize() < STORE_ROWS and first:
                await asyncio.sleep(STORE_SECONDS)
            waiting = [first, *self._waiting_results()]
            batch = [result for result in waiting if result]
            sealed = len(batch) < len(waiting)
            if batch:
                await self._aside(self._store, batch)
                self._settle(batch)

    def _waiting_results(self) -> list[Answered | None]:
        count = min(self._results.qsize(), STORE_ROWS - 1)
        return [self._results.get_nowait() for _ in range(count)]

    def _settle(self, batch: Sequence[Answered]) -> None:
        for result in batch:
            self._tally["answered"] += result.generation.outcome is not Outcome.FAILED
            self._tally["prompt_tokens"] += result.generation.prompt_tokens
            self._tally["output_tokens"] += result.generation.output_tokens
            self._slots.release()
        self._open -= len(batch)
        self._end_when_settled()

    # ------------------------------------------------------------ the end

    def _end_when_settled(self) -> None:
        if self._all_read and self._open == 0 and not self._over.done():
            self._over.set_result(None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not self._over.done():
            self._over.set_exception(error)

    async def _consult(self, function: Callable[..., Value], *arguments: object) -> Value:
        """Run the caller's code; where it raises, somebody wants the run to end soon."""
        try:
            return await self._aside(function, *arguments)
        except Exception as error:
            if not isinstance(error, Draining) and not self._over.done():
                self._grace = HASTY_SECONDS
            raise

    async def _aside(self, function: Callable[..., Value], *arguments: object) -> Value:
        """Run blocking code in a thread; `_wind_up` waits for it even if its stage is cancelled."""
        work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
        self._threads.add(work)
        work.add_done_callback(self._threads.discard)
        return await asyncio.shield(work)

    async def _wind_up(
        self, stages: Sequence[asyncio.Task[None]], storing: asyncio.Task[None]
    ) -> None:
        """Start nothing more, give calls in flight their grace, store what came."""
        flying = self._attempts.flying
        for task in (*stages, *(self._calls - flying)):
            task.cancel()
        if flying and not storing.done():  # a store that failed keeps nothing more
            await asyncio.wait(flying, timeout=self._grace)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*stages, *self._calls, return_exceptions=True)
        self._results.put_nowait(None)
        await asyncio.wait({storing, *self._threads})
