"""One request through all its attempts: its start, its deadline, and the handling of failures."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.inference.hedges import Hedges, hedged
from service.inference.ports import (
    ASKED_AGAIN,
    FIRST_OUTPUT_TOKENS,
    BudgetGuard,
    CallLimits,
    Flow,
    Generation,
    GenerationRequest,
    GenerationResult,
    Generator,
    Governor,
    Outcome,
)
from service.inference.retry import CallFailed, Refusal, error_of_run, exhausted, next_delay

# Shorter hints are left to the pace; longer ones mean a quota that refills by the minute.
HEEDED_HINT_SECONDS = 5.0
LONGEST_HINT_SECONDS = 60.0
ASKS_AGAIN = 2  # how often an answer that says nothing is asked for again: each is billed
FIRST_TRIES = 2  # of a call that is refused as all would be, before there was any answer
_PRIOR_CALLS = 3.0
_FADE = 0.99  # weight of older calls: about the last hundred count


class TokenEstimates:
    """The estimates of one run; they adapt to its language and to the model's tokenizer."""

    def __init__(self) -> None:
        self._estimated = self._actual = 0.0
        self._calls, self._output = _PRIOR_CALLS, _PRIOR_CALLS * FIRST_OUTPUT_TOKENS

    def of(self, request: GenerationRequest) -> int:
        """Return the tokens that a call is expected to take of a quota: prompt and output."""
        return math.ceil(sum(self._of(request)))

    def _of(self, request: GenerationRequest) -> tuple[float, float]:
        ratio = self._actual / self._estimated if self._estimated else 1.0
        output = min(float(request.max_output_tokens), self._output / self._calls)
        return request.estimated_prompt_tokens * ratio, output

    def of_lost(self, request: GenerationRequest, *, synthetic: bool) -> Generation:
        """Return a call that was sent and whose end is unknown, as if it had been answered."""
        prompt, output = self._of(request)
        return Generation(
            Outcome.FAILED,
            prompt_tokens=math.ceil(prompt),
            output_tokens=math.ceil(output),
            synthetic=synthetic,
            uncounted=True,
        )

    def observe(self, request: GenerationRequest, generation: Generation) -> None:
        """Record the tokens that an answered call took."""
        if generation.outcome is Outcome.FAILED or generation.uncounted:
            return
        self._estimated = _FADE * self._estimated + request.estimated_prompt_tokens
        self._actual = _FADE * self._actual + generation.prompt_tokens
        self._calls = _FADE * self._calls + 1
        self._output = _FADE * self._output + generation.output_tokens


@dataclass(slots=True)
class _Call:
    request: GenerationRequest
    tries: int = 0
    hedged: int = 0
    is_reserved: bool = False  # the last reservation has not been spent yet
    is_retry: bool = False
    discarded: tuple[Generation, ...] = ()
    lost: tuple[Generation, ...] = ()
    latency_ms: int | None = None


class Attempts:
    """Makes the calls of one run; once `has_ended()` is true, no further one starts."""

    def __init__(
        self,
        *,
        generator: Generator,
        governor: Governor,
        flow: Flow,
        limits: CallLimits,
        budget_guard: BudgetGuard | None,
        has_ended: Callable[[], bool],
    ) -> None:
        self.in_flight: set[asyncio.Task[Any]] = set()
        self.tally: Counter[str] = Counter()
        self._generator, self._governor, self._limits = generator, governor, limits
        self._flow, self._budget_guard, self._has_ended = flow, budget_guard, has_ended
        self._estimates = TokenEstimates()
        self._hedges = Hedges() if limits.hedging else None
        self._answered = False
        self._refused_since: float | None = None

    def refused_seconds(self) -> float:
        """Return for how long every call has been refused for quota; 0 where one was answered."""
        since = self._refused_since
        return asyncio.get_running_loop().time() - since if since else 0.0

    async def complete(
        self, request: GenerationRequest, keep: Callable[[GenerationResult], None]
    ) -> None:
        """Pass on the result of a request. When the run ends before there is one, pass on what the
        request has cost by then, if anything.
        """
        call, result = _Call(request), None
        try:
            while result is None and not self._has_ended():
                result = await self._try(call)
                call.is_retry = True
        finally:
            if result is None and (call.discarded or call.lost):
                result = self._result(call, Generation(Outcome.FAILED), abandoned=True)
            if result is not None:
                keep(result)

    async def _try(self, call: _Call) -> GenerationResult | None:
        send = self._send_hedged if self._hedges else self._send
        try:
            generation = await self._start(call, send, first=call.is_retry)
            return await self._handle_answer(call, generation)
        except CallFailed as failure:
            return await self._handle_failure(call, failure)

    async def _start(
        self,
        call: _Call,
        send: Callable[[_Call], Coroutine[Any, Any, Generation]],
        *,
        first: bool,
    ) -> Generation:
        """Send when pace and budget allow it, and report the end of the call to the governor."""
        tokens = partial(self._estimates.of, call.request)
        estimated = used = await self._governor.acquire(self._flow, tokens=tokens, first=first)
        task = asyncio.current_task()
        assert task  # noqa: S101  mypy: a coroutine runs in a task
        try:
            # redis-py loses a cancel that comes together with its answer: seen in one of ten runs
            # that ended amid 429s; without this check their calls never stop.
            if self._has_ended():
                raise asyncio.CancelledError
            await self._reserve(call)
            self.in_flight.add(task)
            generation = await send(call)
            used = generation.prompt_tokens + generation.output_tokens
        except CallFailed as failure:
            used = 0 if failure.kind in {Refusal.RATE, Refusal.DAILY} else estimated
            raise
        finally:
            self.in_flight.discard(task)
            self._governor.release(self._flow, estimated=estimated, used=used)
        return generation

    async def _reserve(self, call: _Call) -> None:
        if self._budget_guard and not call.is_reserved:
            await self._budget_guard.reserve(call.request)
            call.is_reserved = True

    async def _send(self, call: _Call) -> Generation:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                generation = await self._generator.generate(call.request)
        except TimeoutError as error:
            self._lose(call)
            message = f"no answer within {self._limits.timeout_seconds:g} s"
            raise CallFailed(Refusal.TRANSIENT, message) from error
        except asyncio.CancelledError:
            self._lose(call)
            raise
        except CallFailed as failure:
            call.is_reserved = True
            if failure.may_be_billed:
                self._lose(call)
            raise
        seconds = loop.time() - started
        call.latency_ms = round(1000 * seconds)
        if self._hedges:
            self._hedges.observe(seconds)
        self._estimates.observe(call.request, generation)
        return generation

    def _lose(self, call: _Call) -> None:
        """Note a call that was sent and has no answer: it may have been billed."""
        call.is_reserved = False
        if self._limits.billed:
            lost = self._estimates.of_lost(call.request, synthetic=self._limits.synthetic)
            call.lost += (lost,)

    async def _send_hedged(self, call: _Call) -> Generation:
        assert self._hedges  # noqa: S101  chosen only then
        return await hedged(
            lambda: self._send(call), lambda: self._send_again(call), hedges=self._hedges
        )

    async def _send_again(self, call: _Call) -> Generation:
        self.tally["hedged"] += 1
        call.hedged += 1
        call.is_reserved = False
        try:
            return await self._start(call, self._send, first=True)
        except CallFailed as failure:
            if failure.kind is Refusal.RATE:
                await self._governor.refused()
            raise

    async def _handle_answer(self, call: _Call, generation: Generation) -> GenerationResult | None:
        """Return the result; None for an answer that says nothing and is to be asked for again."""
        self._answered, self._refused_since = True, None
        is_odd = generation.outcome in ASKED_AGAIN
        if not is_odd or len(call.discarded) >= ASKS_AGAIN or self._is_last(call):
            return self._result(call, generation)
        call.discarded += (generation,)
        call.is_reserved = False  # it was billed
        await self._pause(call)
        return None

    def _is_last(self, call: _Call) -> bool:
        return call.tries + 1 >= self._limits.attempts

    async def _handle_failure(self, call: _Call, failure: CallFailed) -> GenerationResult | None:
        """Return the result that ends the request; None when it is to be tried again now."""
        match failure.kind:
            case Refusal.RATE:
                self._refused_since = self._refused_since or asyncio.get_running_loop().time()
                self.tally["refused_429"] += 1
                await self._governor.refused(hold_seconds=_hold_seconds(failure))
            case Refusal.DAILY:
                error = exhausted(failure)
                await self._governor.park(error.resume_seconds)
                raise error from failure
            case _ if failure.meets_every_call:
                await self._doubt(call, failure)
            case Refusal.TRANSIENT if not self._is_last(call):
                await self._pause(call, failure.retry_after_seconds)
            case _:
                failed = Generation(Outcome.FAILED, error=failure.message)
                return self._result(call, failed, reached=failure.reached)
        return None

    async def _doubt(self, call: _Call, failure: CallFailed) -> None:
        """Try again what every call would be refused for, where it may pass; raise it else.

        A role or an endpoint may be known to one of the provider's servers and not yet to the
        next. A run that has had answers is not ended by one of them.
        """
        most = self._limits.attempts if self._answered else FIRST_TRIES
        if not failure.may_pass or call.tries + 1 >= most:
            raise error_of_run(failure) from failure
        await self._pause(call, failure.retry_after_seconds)

    async def _pause(self, call: _Call, hint_seconds: float | None = None) -> None:
        """Wait before the next try, which goes to the head of the queue."""
        call.tries += 1
        self.tally["retried"] += 1
        jittered = next_delay(call.tries, random=random.random)
        hint = min(hint_seconds or 0.0, LONGEST_HINT_SECONDS)
        if not self._has_ended():
            await asyncio.sleep(max(jittered, hint))

    def _result(
        self,
        call: _Call,
        generation: Generation,
        *,
        reached: bool = True,
        abandoned: bool = False,
    ) -> GenerationResult:
        return GenerationResult(
            call.request,
            generation,
            call.tries + 1,
            reached and not abandoned,
            discarded=call.discarded,
            lost=call.lost,
            latency_ms=call.latency_ms,
            hedged=call.hedged,
            abandoned=abandoned,
        )


def _hold_seconds(failure: CallFailed) -> float:
    hint = failure.retry_after_seconds or 0.0
    return min(hint, LONGEST_HINT_SECONDS) if hint >= HEEDED_HINT_SECONDS else 0.0
