"""Stragglers: a call that takes far longer than the others may be sent a second time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

REMEMBERED_CALLS = 400
FEWEST_CALLS = 50
FIRST_PATIENCE_SECONDS = 3.0  # while fewer are known
PATIENCE = 1.5  # times the 99th percentile
SHARE_OF_CALLS = 0.02

Answer = TypeVar("Answer")


class Hedges:
    """Says when a call is a straggler, and keeps the second ones below 2 % of all calls."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED_CALLS)
        self._patience, self._stale = 0.0, 0
        self._calls, self._hedged = 0, 0

    def learn(self, seconds: float) -> None:
        """Take notice of how long an answered call took."""
        self._seconds.append(seconds)
        self._calls += 1
        self._stale -= 1

    def patience(self) -> float:
        """Return after how many seconds a call is a straggler."""
        if len(self._seconds) < FEWEST_CALLS:
            return FIRST_PATIENCE_SECONDS
        if self._stale <= 0:
            rank = int(len(self._seconds) * 0.99)
            self._patience, self._stale = PATIENCE * sorted(self._seconds)[rank], 20
        return self._patience

    def take(self) -> bool:
        """Use one second call, if the share allows it."""
        if self._hedged + 1 > SHARE_OF_CALLS * self._calls:
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
            await asyncio.wait(tasks, timeout=hedges.patience())
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
