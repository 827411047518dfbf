"""The money of a run: reserved before each call, settled with each batch of answers."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil

from service.database import Session, Sessions
from service.errors import Unavailable
from service.inference.ports import Generation, GenerationRequest
from service.inference.prices import CallPrice
from service.inference.sending import Answered
from service.jobs import budgets
from service.jobs.budgets import BudgetExhausted, Drawn, Holder
from service.jobs.ports import JobRun, LeaseLost

CHARACTERS_PER_TOKEN = 4
FIRST_OUTPUT_TOKENS = 256  # of a call, until the run has seen some
BLOCK_SECONDS = 1.0
WAIT_SECONDS = 0.1
_MARGIN = 1.5  # of the mean output: answers differ in length


def prompt_tokens_of(request: GenerationRequest) -> int:
    """Return about how many tokens the prompt of a request has."""
    return ceil(sum(map(len, request.texts)) / CHARACTERS_PER_TOKEN)


class Forecast:
    """What the next call will cost, learned from those that have been answered."""

    def __init__(self, price: CallPrice) -> None:
        self._price = price
        self._answers, self._guessed, self._prompt, self._output = 0, 0, 0, 0

    def cost_of(self, request: GenerationRequest) -> int:
        """Return nano-dollars: about what the call will cost, never more than it can."""
        guess = prompt_tokens_of(request)
        if self._guessed:
            guess = max(guess, ceil(guess * self._prompt / self._guessed))
        output = min(request.max_output_tokens, self._output_tokens())
        return self._price.cost(prompt_tokens=guess, output_tokens=output)

    def learn(self, answer: Answered) -> None:
        generation = answer.generation
        if generation.prompt_tokens:
            self._answers += 1
            self._guessed += prompt_tokens_of(answer.request)
            self._prompt += generation.prompt_tokens
            self._output += generation.output_tokens

    def _output_tokens(self) -> int:
        if not self._answers:
            return FIRST_OUTPUT_TOKENS
        return ceil(_MARGIN * self._output / self._answers) + 1


class BudgetPurse:
    """Draws on the budget of a job's family, a block at a time, while the job's lease is ours.

    A call that does not fit waits as long as calls in flight, here or elsewhere, may give back
    what they need; then BudgetExhausted. `reserve` is called on the event loop, `settle` and
    `close` in other threads.
    """

    def __init__(self, run: JobRun, holder: Holder, *, price: CallPrice) -> None:
        self._run, self._holder = run, holder
        self._forecast = Forecast(price)
        self._taking = asyncio.Lock()
        self._drawing, self._counting = threading.Lock(), threading.Lock()
        self._left, self._block, self._drawn_at = 0, 0, 0.0
        self._in_flight: Counter[str] = Counter()
        self._closed = False

    async def reserve(self, request: GenerationRequest) -> None:
        """Put money aside for one call; raises BudgetExhausted, LeaseLost, Unavailable."""
        async with self._taking:
            need = self._forecast.cost_of(request)
            while self._left < need:
                await self._refill(need)
            with self._counting:
                self._left -= need
                self._in_flight[request.key] += need

    def settle(
        self, session: Session, batch: Sequence[Answered], costs: Sequence[int | None]
    ) -> None:
        """Note what answers have cost, in the transaction that stores them.

        A try of unknown end counts as if it had been billed: the cap is a promise.
        """
        spent = 0
        with self._counting:
            for answer, cost in zip(batch, costs, strict=True):
                reserved = self._in_flight.pop(answer.key, 0)
                lost = reserved * (answer.reserved - 1) // max(1, answer.reserved)
                spent += (cost or 0) + max(0, lost)
                self._forecast.learn(answer)
        if spent:
            budgets.spend(session, self._holder, spent)

    def close(self) -> None:
        """Return what is left; where that fails, others take it once the lease has run out."""
        with self._drawing:
            self._closed = True
            with suppress(LeaseLost, Unavailable), self._run.fenced() as session:
                budgets.give_back(session, self._holder)

    async def _refill(self, need: int) -> None:
        """Draw a block that lasts about a second, or wait a little for others to give back."""
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
                message = "the purse of an ended run was asked for money"
                raise RuntimeError(message)
            with self._run.fenced() as session:
                # The job's row is locked: a batch is settled either before this or after.
                with self._counting:
                    in_flight = self._in_flight.total()
                return budgets.draw(
                    session, self._holder, in_flight=in_flight, need=need, want=want
                )

    def _refusal(self) -> BudgetExhausted:
        with self._run.fenced() as session:
            return budgets.refusal(session, self._holder, what="the next call")


def has_budget(session: Session, job_id: str) -> bool:
    """Return whether the job that was submitted may spend only so much."""
    return budgets.holder_of(session, job_id) is not None


@contextmanager
def open_purse(
    run: JobRun, *, price: CallPrice | None, sessions: Sessions
) -> Iterator[BudgetPurse | None]:
    """Yield the purse of a run, or None where the job that was submitted has no budget.

    What a dead worker held for the same job is returned first, what is left at the end last.
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
    purse = BudgetPurse(run, holder, price=price)
    try:
        yield purse
    finally:
        purse.close()


def reserve_ahead(run: JobRun, nano: int | None, *, what: str) -> None:
    """Put money aside for work that goes on at the provider while the job waits.

    Without a budget do nothing; a second call replaces the first. `budgets.settle_ahead` puts
    the truth in its place. Raises BudgetExhausted, and LeaseLost.
    """
    with run.fenced() as session:
        holder = budgets.holder_of(session, run.id)
        if holder is None:
            return
        if nano is not None and budgets.hold_ahead(session, holder, nano):
            return
        refused = budgets.refusal(session, holder, what=what)
    raise refused


def cost_of(generation: Generation, price: CallPrice | None) -> int | None:
    """Return the nano-dollars of one answer; None where no price is known."""
    if price is None:
        return None
    return price.cost(
        prompt_tokens=generation.prompt_tokens,
        output_tokens=generation.output_tokens,
        cached_tokens=min(generation.prompt_tokens, cached_tokens_of(generation)),
    )


def cached_tokens_of(generation: Generation) -> int:
    """Return how many tokens of the prompt the provider had cached."""
    return _count(generation, "cachedContentTokenCount")


def thinking_tokens_of(generation: Generation) -> int:
    return _count(generation, "thoughtsTokenCount")


def _count(generation: Generation, name: str) -> int:
    value = generation.usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0
