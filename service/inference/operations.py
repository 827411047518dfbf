"""Run many calls on the only event loop: one daemon thread per process, as long as it lives."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

from service.errors import TunecurveError
from service.inference.generation_run import GenerationRun, Summary
from service.inference.ports import (
    BudgetGuard,
    CallLimits,
    Flow,
    GenerationRequest,
    GenerationResult,
    Generator,
    Governor,
)
from service.inference.project_limits import ProjectBudgetGuard


def generate_all(  # noqa: PLR0913  its collaborators
    requests: Iterable[GenerationRequest],
    *,
    generator: Generator,
    governor: Governor,
    flow: Flow,
    limits: CallLimits,
    budget_guard: BudgetGuard | None = None,
    store: Callable[[Sequence[GenerationResult]], None],
    check: Callable[[], None],
    warn: Callable[[bool], None] = lambda _refused: None,
) -> Summary:
    """Send every request and pass its result to `store`; returns when all are stored.

    `requests` is read as slots become free. `store` gets results in batches of at most 200, at
    most 20 ms behind, one batch at a time; `check` is called ten times a second. All three run in
    other threads. A 429 slows the pace and does not count as an attempt; a request without an
    answer after all attempts ends as `failed`. Nothing is kept between two runs: to resume, pass
    the requests that are not stored yet.

    `warn` gets True once all calls have been refused for quota for 30 s, and False when one
    is answered again.

    The run ends early, and starts no further call, when

    - `store` raises: at once, as no further result can be kept;
    - every call would be refused (Forbidden, NotFound, Unavailable), the day's quota is used up
      (QuotaExhausted, with the seconds to wait), `budget_guard` raises, or `check` or `requests`
      raise Preempted: calls in flight have up to 15 s, and their results are stored;
    - `check` or `requests` raise anything else (a cancelled job): the same with 0.5 s.

    The error is raised after that.
    """

    async def send() -> Summary:
        run = GenerationRun(
            requests,
            generator=generator,
            governor=governor,
            flow=flow,
            limits=limits,
            budget_guard=budget_guard,
            store=store,
            check=check,
            warn=warn,
        )
        return await run.run()

    return loop_thread().run(send())


def start_generation(
    request: GenerationRequest,
    *,
    generator: Generator,
    governor: Governor,
    flow: Flow,
    limits: CallLimits,
    budget_guard: ProjectBudgetGuard,
) -> Future[GenerationResult]:
    """Send one request as `generate_all` does, without holding a thread while it is answered.

    The result is paid for and entered in the ledger before it is returned. Cancelling the future
    ends the run: a call in flight has 5 s, and is entered, too.
    """
    results: list[GenerationResult] = []

    def store(batch: Sequence[GenerationResult]) -> None:
        results.extend(batch)
        budget_guard.settle(*batch)

    async def send() -> GenerationResult:
        run = GenerationRun(
            [request],
            generator=generator,
            governor=governor,
            flow=flow,
            limits=limits,
            budget_guard=budget_guard,
            store=store,
            check=lambda: None,
            warn=lambda _refused: None,
        )
        try:
            await run.run()
        except TunecurveError:
            if not results:
                await asyncio.to_thread(budget_guard.release)
            raise
        return results[0]

    return loop_thread().start(send())


def shut_down(*adapters: Generator | Governor) -> None:
    """Close what runs have used, then the event loop; a later run starts a new one."""

    async def close() -> None:
        for adapter in adapters:
            await adapter.close()

    loop_thread().run(close())
    loop_thread().stop()


Result = TypeVar("Result")

CLEAN_UP_SECONDS = 10.0


class LoopThread:
    """A loop that outlives each run, so that connections are reused between runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run on the loop and wait here; context variables go along.

        When this thread is interrupted (a time limit, SIGTERM), the coroutine is cancelled and
        has ten seconds to clean up before the interruption is raised here.
        """
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_marking(coroutine, ended), self._started())
        try:
            return future.result()
        finally:
            if not future.done():
                future.cancel()
                ended.wait(CLEAN_UP_SECONDS)

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run on the loop and return at once."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started())

    def stop(self) -> None:
        """End the loop; the next run starts another."""
        with self._lock:
            loop, thread, stopping = self._loop, self._thread, self._stopping
            self._loop = None
        if loop and thread and stopping:
            loop.call_soon_threadsafe(stopping.set)
            thread.join(CLEAN_UP_SECONDS)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                started: Future[asyncio.AbstractEventLoop] = Future()
                self._thread = threading.Thread(
                    target=self._serve, args=(started,), name="inference-loop", daemon=True
                )
                self._thread.start()
                self._loop = started.result()
            return self._loop

    def _serve(self, started: "Future[asyncio.AbstractEventLoop]") -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._live(started))

    async def _live(self, started: "Future[asyncio.AbstractEventLoop]") -> None:
        self._stopping = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._stopping.wait()


# By process: a forked child has no copy of its parent's thread and starts its own. The parent's
# entry stays in the dictionary: its clean-up would reach into the parent's epoll.
_threads: dict[int, LoopThread] = {}


def loop_thread() -> LoopThread:
    """Return the loop of this process, started at its first run."""
    return _threads.setdefault(os.getpid(), LoopThread())


async def _marking(coroutine: Coroutine[Any, Any, Result], ended: threading.Event) -> Result:
    try:
        return await coroutine
    finally:
        ended.set()
