"""One request through all its attempts: its start, its deadline, and what a failure means."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.inference.estimating import TokenEstimates
from service.inference.hedging import Hedges, hedged
from service.inference.ports import (
    Flow,
    Generation,
    GenerationRequest,
    Generator,
    Governor,
    Outcome,
    Purse,
)
from service.inference.retry import CallFailed, Refusal, error_of_run, exhausted, next_delay

# Shorter hints are the pace's business; longer ones mean a quota that refills by the minute.
HEEDED_HINT_SECONDS = 5.0
LONGEST_HINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """`in_flight` bounds the requests of a run between reading and storing, thus its memory.

    `attempts` are the tries of one request, 429s not counted; `timeout_seconds` is the deadline
    of each. `hedging` sends stragglers a second time, which may be paid for twice.
    """

    in_flight: int
    attempts: int
    timeout_seconds: float
    hedging: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """One result: the request, what came, and after how many tries (429s apart).

    `reached` is False for a failure whose last try met no provider at all. `reserved` counts
    how often the purse was asked for it.
    """

    request: GenerationRequest
    generation: Generation
    attempts: int
    reached: bool = True
    reserved: int = 1

    @property
    def key(self) -> str:
        return self.request.key


@dataclass(slots=True)
class _Call:
    request: GenerationRequest
    tries: int = 0
    reserved: int = 0
    paid: bool = False  # what is reserved has not been spent yet
    returning: bool = False


class Attempts:
    """How the calls of one run are made. `is_over` says that no further one may start."""

    def __init__(
        self,
        *,
        generator: Generator,
        governor: Governor,
        flow: Flow,
        limits: CallLimits,
        purse: Purse | None,
        is_over: Callable[[], bool],
    ) -> None:
        self.flying: set[asyncio.Task[Any]] = set()
        self.tally: Counter[str] = Counter()
        self._generator, self._governor, self._limits = generator, governor, limits
        self._flow, self._purse, self._is_over = flow, purse, is_over
        self._estimates = TokenEstimates()
        self._hedges = Hedges() if limits.hedging else None

    async def carry(self, request: GenerationRequest) -> Answered | None:
        """Return the result of a request; None when the run ends before there is one."""
        call, result = _Call(request), None
        send = self._send_hedged if self._hedges else self._send
        while result is None and not self._is_over():
            try:
                generation = await self._start(call, send, first=call.returning)
                result = self._answered(call, generation)
            except CallFailed as failure:
                result = await self._judge(call, failure)
                call.returning = True
        return result

    async def _start(
        self,
        call: _Call,
        send: Callable[[_Call], Coroutine[Any, Any, Generation]],
        *,
        first: bool,
    ) -> Generation:
        """Send when pace and purse allow it; the governor learns when the call has ended."""
        tokens = partial(self._estimates.of, call.request)
        estimated = used = await self._governor.acquire(self._flow, tokens=tokens, first=first)
        task = asyncio.current_task()
        assert task  # noqa: S101  mypy: a coroutine runs in a task
        try:
            # A cancel that meets redis-py as its answer comes is lost: seen once in ten runs
            # that ended amid 429s, and calls went on for ever.
            if self._is_over():
                raise asyncio.CancelledError
            await self._pay(call)
            self.flying.add(task)
            generation = await send(call)
            used = generation.prompt_tokens + generation.output_tokens
        except CallFailed as failure:
            used = 0 if failure.kind in {Refusal.RATE, Refusal.DAILY} else estimated
            raise
        finally:
            self.flying.discard(task)
            self._governor.release(self._flow, estimated=estimated, used=used)
        return generation

    async def _pay(self, call: _Call) -> None:
        if self._purse and not call.paid:
            await self._purse.reserve(call.request)
            call.reserved += 1
            call.paid = True

    async def _send(self, call: _Call) -> Generation:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                generation = await self._generator.generate(call.request)
        except TimeoutError as error:
            call.paid = False  # nobody knows whether it will be billed
            message = f"no answer within {self._limits.timeout_seconds:g} s"
            raise CallFailed(Refusal.TRANSIENT, message) from error
        except CallFailed as failure:
            call.paid = failure.status > 0
            raise
        if self._hedges:
            self._hedges.learn(loop.time() - started)
        self._estimates.learn(call.request, generation)
        return generation

    async def _send_hedged(self, call: _Call) -> Generation:
        assert self._hedges  # noqa: S101  chosen only then
        return await hedged(
            lambda: self._send(call), lambda: self._send_again(call), hedges=self._hedges
        )

    async def _send_again(self, call: _Call) -> Generation:
        self.tally["hedged"] += 1
        call.paid = False
        try:
            return await self._start(call, self._send, first=True)
        except CallFailed as failure:
            if failure.kind is Refusal.RATE:
                await self._governor.refused()
            raise

    async def _judge(self, call: _Call, failure: CallFailed) -> Answered | None:
        """Return how the call ends; None when it is to be tried again, now."""
        match failure.kind:
            case Refusal.RATE:
                self.tally["refused_429"] += 1
                await self._governor.refused(hold_seconds=_hold_seconds(failure))
            case Refusal.DAILY:
                error = exhausted(failure)
                await self._governor.park(error.resume_seconds)
                raise error from failure
            case _ if failure.meets_every_call:
                raise error_of_run(failure) from failure
            case Refusal.TRANSIENT if call.tries + 1 < self._limits.attempts:
                await self._pause(call, failure)
            case _:
                failed = Generation(Outcome.FAILED, error=failure.message)
                return self._answered(call, failed, reached=failure.reached)
        return None

    async def _pause(self, call: _Call, failure: CallFailed) -> None:
        """Before it goes to the head of the line: a hiccup takes a moment to pass."""
        call.tries += 1
        self.tally["retried"] += 1
        jittered = next_delay(call.tries, random=random.random)
        hint = min(failure.retry_after_seconds or 0.0, LONGEST_HINT_SECONDS)
        if not self._is_over():
            await asyncio.sleep(max(jittered, hint))

    def _answered(self, call: _Call, generation: Generation, *, reached: bool = True) -> Answered:
        reserved = call.reserved if self._purse else 1
        return Answered(call.request, generation, call.tries + 1, reached, reserved)


def _hold_seconds(failure: CallFailed) -> float:
    hint = failure.retry_after_seconds or 0.0
    return min(hint, LONGEST_HINT_SECONDS) if hint >= HEEDED_HINT_SECONDS else 0.0
