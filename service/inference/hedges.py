"""Hedged requests: a call that takes far longer than the others may be sent a second time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

LATENCY_SAMPLES = 400
MIN_SAMPLES = 50
FIRST_THRESHOLD_SECONDS = 3.0  # until there are enough samples
STRAGGLER_FACTOR = 1.5  # times the 99th percentile
HEDGED_SHARE = 0.02

Answer = TypeVar("Answer")


class Hedges:
    """Decides when a call is a straggler, and keeps hedges below 2 % of all calls."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self._threshold_seconds, self._stale = 0.0, 0
        self._calls, self._hedged = 0, 0

    def observe(self, seconds: float) -> None:
        """Record how long an answered call took."""
        self._seconds.append(seconds)
        self._calls += 1
        self._stale -= 1

    def threshold_seconds(self) -> float:
        """Return after how many seconds a call is a straggler."""
        if len(self._seconds) < MIN_SAMPLES:
            return FIRST_THRESHOLD_SECONDS
        if self._stale <= 0:
            rank = int(len(self._seconds) * 0.99)
            self._threshold_seconds, self._stale = (
                STRAGGLER_FACTOR * sorted(self._seconds)[rank],
                20,
            )
        return self._threshold_seconds

    def take(self) -> bool:
        """Take one hedge if the share allows it; return whether it did."""
        if self._hedged + 1 > HEDGED_SHARE * self._calls:
            return False
        self._hedged += 1
        return True


async def hedged(
    send: Callable[[], Coroutine[Any, Any, Answer]],
    again: Callable[[], Coroutine[Any, Any, Answer]],
    *,
    hedges: Hedges,
) -> Answer:
    """Return the first answer of `send` and, where that straggles, of `again`.

    An error counts only when there is no answer from either; then it is that of `send`.
    """
    first = asyncio.create_task(send())
    tasks = {first}
    try:
        while not first.done() and len(tasks) == 1:
            await asyncio.wait(tasks, timeout=hedges.threshold_seconds())
            if not first.done() and hedges.take():
                tasks.add(asyncio.create_task(again()))
                await _first_answer(tasks)
        answered = [task for task in tasks if task.done() and not task.exception()]
        return await (answered[0] if answered else first)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_answer(tasks: set[asyncio.Task[Answer]]) -> None:
    pending = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(not task.cancelled() and not task.exception() for task in done):
            return
