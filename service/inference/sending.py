"""One run of many calls: a line, a pacer at its head, and results that leave in batches."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from service.inference.ports import Generation, GenerationRequest, Generator, Governor, Outcome
from service.inference.retry import CallFailed, Refusal, error_of_run, exhausted, next_delay

STORE_SECONDS = 0.02  # how far the store may lag behind; a crash pays for this again
STORE_ROWS = 200
CHECK_SECONDS = 0.5
GRACE_SECONDS = 5.0  # a call in flight is paid for, so an ending run still waits for it
READ_ROWS = 32
# Shorter hints are the pace's business; longer ones mean a quota that refills by the minute.
HEEDED_HINT_SECONDS = 5.0
LONGEST_HINT_SECONDS = 60.0

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """`in_flight` bounds the requests of a run between reading and storing, thus its memory.

    `attempts` are the tries of one request, 429s not counted.
    """

    in_flight: int
    attempts: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Answered:
    """One result: the key of its request, what came, and after how many tries (429s apart).

    `reached` is False for a failure whose last try met no provider at all.
    """

    key: str
    generation: Generation
    attempts: int
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """`answered` are stored results that are no failure; `retried` and `refused_429` are calls."""

    requests: int
    answered: int
    retried: int
    refused_429: int
    prompt_tokens: int
    output_tokens: int


@dataclass(slots=True)
class _Call:
    request: GenerationRequest
    tries: int = 0


class Sending:
    """One run, used once, on a running event loop. `operations.generate_all` says what it does."""

    def __init__(
        self,
        requests: Iterable[GenerationRequest],
        *,
        generator: Generator,
        governor: Governor,
        limits: CallLimits,
        store: Callable[[Sequence[Answered]], None],
        check: Callable[[], None],
    ) -> None:
        self._requests = iter(requests)
        self._generator, self._governor, self._limits = generator, governor, limits
        self._store, self._check = store, check
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._line: deque[_Call] = deque()
        self._line_filled = asyncio.Event()
        self._results: asyncio.Queue[Answered | None] = asyncio.Queue()
        self._flying: set[asyncio.Task[None]] = set()
        self._threads: set[asyncio.Future[Any]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open, self._all_read, self._resume_at = 0, False, 0.0
        self._tally: Counter[str] = Counter()

    async def run(self) -> Summary:
        stages = [self._spawn(stage()) for stage in (self._read, self._pace, self._watch)]
        storing = self._spawn(self._hand_over())
        try:
            await self._over
        finally:
            await self._wind_up(stages, storing)
        names = Summary.__dataclass_fields__
        return Summary(**{name: self._tally[name] for name in names})

    # ------------------------------------------------------------ the stages

    async def _read(self) -> None:
        """Fill the line as slots come free."""
        while not self._all_read:
            free = await self._take_slots()
            fresh: list[GenerationRequest] = await self._aside(list, islice(self._requests, free))
            for _ in range(free - len(fresh)):
                self._slots.release()
            self._all_read = len(fresh) < free
            self._open += len(fresh)
            self._tally["requests"] += len(fresh)
            self._line.extend(map(_Call, fresh))
            self._line_filled.set()
        self._end_when_settled()

    async def _take_slots(self) -> int:
        await self._slots.acquire()
        taken = 1
        while taken < READ_ROWS and not self._slots.locked():
            await self._slots.acquire()
            taken += 1
        return taken

    async def _pace(self) -> None:
        """Start the head of the line whenever the governor lets a call start."""
        loop = asyncio.get_running_loop()
        while True:
            await self._line_filled.wait()
            while self._line:
                await asyncio.sleep(max(0.0, self._resume_at - loop.time()))
                await self._governor.acquire()
                # A cancel that meets redis-py as its answer comes is lost: seen once in ten runs
                # that ended amid 429s, and the pacer went on for ever.
                if self._over.done():
                    return
                flight = self._spawn(self._fly(self._line.popleft()))
                self._flying.add(flight)
                flight.add_done_callback(self._flying.discard)
            self._line_filled.clear()

    async def _watch(self) -> None:
        """Ask twice a second whether the run may go on."""
        while True:
            await self._aside(self._check)
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

    # ------------------------------------------------------------ one call

    async def _fly(self, call: _Call) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                generation = await self._generator.generate(call.request)
        except CallFailed as failure:
            await self._failed(call, failure)
        except TimeoutError:
            message = f"no answer within {self._limits.timeout_seconds:g} s"
            await self._failed(call, CallFailed(Refusal.TRANSIENT, message))
        else:
            self._answer(call, generation)

    async def _failed(self, call: _Call, failure: CallFailed) -> None:
        match failure.kind:
            case Refusal.RATE:
                self._tally["refused_429"] += 1
                self._heed(failure.retry_after_seconds or 0)
                await self._governor.refused()
                self._return(call)
            case Refusal.DAILY:
                raise exhausted(failure) from failure
            case _ if failure.meets_every_call:
                raise error_of_run(failure) from failure
            case Refusal.TRANSIENT if call.tries + 1 < self._limits.attempts:
                self._retry_later(call, failure.retry_after_seconds or 0)
            case _:
                failed = Generation(Outcome.FAILED, error=failure.message)
                self._answer(call, failed, reached=failure.reached)

    def _answer(self, call: _Call, generation: Generation, *, reached: bool = True) -> None:
        result = Answered(call.request.key, generation, call.tries + 1, reached)
        self._results.put_nowait(result)

    def _retry_later(self, call: _Call, hint: float) -> None:
        call.tries += 1
        self._tally["retried"] += 1
        jittered = next_delay(call.tries, random=random.random)
        delay = max(jittered, min(hint, LONGEST_HINT_SECONDS))
        asyncio.get_running_loop().call_later(delay, self._return, call)

    def _return(self, call: _Call) -> None:
        """To the head of the line: its own long backoff would outlast the quota's recovery."""
        self._line.appendleft(call)
        self._line_filled.set()

    def _heed(self, hint: float) -> None:
        if hint >= HEEDED_HINT_SECONDS:
            until = asyncio.get_running_loop().time() + min(hint, LONGEST_HINT_SECONDS)
            self._resume_at = max(self._resume_at, until)

    # ------------------------------------------------------------ the end

    def _end_when_settled(self) -> None:
        if self._all_read and self._open == 0 and not self._over.done():
            self._over.set_result(None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error and not self._over.done():
            self._over.set_exception(error)

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
        for stage in stages:
            stage.cancel()
        if self._flying and not storing.done():  # a store that failed keeps nothing more
            await asyncio.wait(self._flying, timeout=GRACE_SECONDS)
        for flight in self._flying:
            flight.cancel()
        await asyncio.gather(*stages, *self._flying, return_exceptions=True)
        self._results.put_nowait(None)
        await asyncio.wait({storing, *self._threads})
