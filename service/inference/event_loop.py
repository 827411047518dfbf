"""The only event loop: one daemon thread per process, alive as long as the process."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

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
