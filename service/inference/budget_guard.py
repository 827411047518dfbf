"""The budget of a run: reserved before each call, settled with each batch of results."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil

from service.catalogue.prices import CallPrice
from service.database import Session, Sessions
from service.errors import Unavailable
from service.inference.ports import FIRST_OUTPUT_TOKENS, GenerationRequest, GenerationResult
from service.jobs import budgets
from service.jobs.budgets import BudgetExhausted, Drawn, Holder
from service.jobs.ports import JobRun, LeaseLost

BLOCK_SECONDS = 1.0
WAIT_SECONDS = 0.1
_MARGIN = 1.5  # times the mean output: answers differ in length


class CostForecast:
    """The expected cost of the next call, estimated from the results so far."""

    def __init__(self, price: CallPrice) -> None:
        self._price = price
        self._answers, self._guessed, self._prompt, self._output = 0, 0, 0, 0

    def cost_of(self, request: GenerationRequest) -> int:
        """Return nano-dollars: about what the call will cost, never more than it can."""
        guess = request.estimated_prompt_tokens
        if self._guessed:
            guess = max(guess, ceil(guess * self._prompt / self._guessed))
        output = min(request.max_output_tokens, self._output_tokens())
        return self._price.cost(prompt_tokens=guess, output_tokens=output)

    def observe(self, answer: GenerationResult) -> None:
        generation = answer.generation
        if generation.prompt_tokens and not generation.uncounted:
            self._answers += 1
            self._guessed += answer.request.estimated_prompt_tokens
            self._prompt += generation.prompt_tokens
            self._output += generation.output_tokens

    def _output_tokens(self) -> int:
        if not self._answers:
            return FIRST_OUTPUT_TOKENS
        return ceil(_MARGIN * self._output / self._answers) + 1


class JobBudgetGuard:
    """Draws on the budget of a job's family in blocks, while this worker holds the job's lease.

    A call that does not fit waits while calls in flight, here or in other workers, may still
    return enough; then BudgetExhausted. `reserve` is called on the event loop, `settle` and
    `close` in other threads.
    """

    def __init__(self, run: JobRun, holder: Holder, *, price: CallPrice) -> None:
        self._run, self._holder = run, holder
        self._cost_forecast = CostForecast(price)
        self._reserving = asyncio.Lock()
        self._drawing, self._counting = threading.Lock(), threading.Lock()
        self._left, self._block, self._drawn_at = 0, 0, 0.0
        self._in_flight: Counter[str] = Counter()
        self._closed = False

    async def reserve(self, request: GenerationRequest) -> None:
        """Reserve the cost of one call; raises BudgetExhausted, LeaseLost, Unavailable."""
        async with self._reserving:
            need = self._cost_forecast.cost_of(request)
            while self._left < need:
                await self._refill(need)
            with self._counting:
                self._left -= need
                self._in_flight[request.key] += need

    def settle(
        self, session: Session, batch: Sequence[GenerationResult], costs: Sequence[int | None]
    ) -> None:
        """Book the cost of results in the transaction that stores them.

        Lost tries are part of it: the budget is a hard limit.
        """
        spent = 0
        with self._counting:
            for answer, cost in zip(batch, costs, strict=True):
                self._in_flight.pop(answer.key, None)
                spent += cost or 0
                self._cost_forecast.observe(answer)
        if spent:
            budgets.spend(session, self._holder, spent)

    def close(self) -> None:
        """Return what is left; if that fails, it becomes free when the lease expires."""
        with self._drawing:
            self._closed = True
            with suppress(LeaseLost, Unavailable), self._run.fenced() as session:
                budgets.give_back(session, self._holder)

    async def _refill(self, need: int) -> None:
        """Draw a block that lasts about a second, or wait shortly for others to return theirs."""
        now = asyncio.get_running_loop().time()
        want = self._block * 2 if now - self._drawn_at < BLOCK_SECONDS else self._block // 2
        drawn = await asyncio.to_thread(self._draw, need, want)
        if drawn.used_up:
            raise await asyncio.to_thread(self._refusal)
        if drawn.nano < need:
            await asyncio.sleep(WAIT_SECONDS)
            return
        self._left = self._block = drawn.nano
        self._drawn_at = now

    def _draw(self, need: int, want: int) -> Drawn:
        with self._drawing:
            if self._closed:
                message = "a reservation after the end of the run"
                raise RuntimeError(message)
            with self._run.fenced() as session:
                # The job's row is locked, so a batch is settled either before this or after.
                with self._counting:
                    in_flight = self._in_flight.total()
                return budgets.draw(
                    session, self._holder, in_flight=in_flight, need=need, want=want
                )

    def _refusal(self) -> BudgetExhausted:
        with self._run.fenced() as session:
            return budgets.refusal(session, self._holder, what="the next call")


@contextmanager
def open_budget_guard(
    run: JobRun, *, price: CallPrice | None, sessions: Sessions
) -> Iterator[JobBudgetGuard | None]:
    """Yield the budget guard of a run, or None where the submitted job has no budget.

    Reservations of a worker that died with this job are returned first, the rest at the end.
    Raises BudgetExhausted `price_unknown` when there is a budget and no price.
    """
    with sessions.reading() as session:
        holder = budgets.holder_of(session, run.id)
    if holder is None:
        yield None
        return
    if price is None:
        message = "the model has no price, so its calls do not fit into a budget"
        raise BudgetExhausted(message, code="price_unknown")
    with run.fenced() as session:
        budgets.give_back(session, holder)
    budget_guard = JobBudgetGuard(run, holder, price=price)
    try:
        yield budget_guard
    finally:
        budget_guard.close()


def reserve_ahead(run: JobRun, nano: int | None, *, what: str) -> None:
    """Reserve the cost of work that the provider does while the job waits.

    Does nothing without a budget; a second call replaces the first. `budgets.settle_ahead` puts
    the actual cost in its place. Raises BudgetExhausted, and LeaseLost.
    """
    with run.fenced() as session:
        holder = budgets.holder_of(session, run.id)
        if holder is None:
            return
        if nano is not None and budgets.hold_ahead(session, holder, nano):
            return
        refused = budgets.refusal(session, holder, what=what, nano=nano or 0)
    raise refused
