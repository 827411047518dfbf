"""What a call costs before it starts, and what is done about one that straggles."""

import time
from dataclasses import dataclass, field

import pytest

from service.errors import RateLimited
from service.inference.attempts import TokenEstimates
from service.inference.generation_run import Summary
from service.inference.governor import LocalGovernor
from service.inference.hedges import Hedges
from service.inference.operations import generate_all
from service.inference.ports import (
    CallLimits,
    Generation,
    GenerationRequest,
    GenerationResult,
    Outcome,
    Quota,
    Turn,
)
from service.inference.retry import QuotaExhausted
from tests.service.inference.provider import DAY_USED_UP, DROP, HANG, Provider
from tests.service.inference.result_store import FLOW, LIMITS, Shelf, fast, requests


class Spent(Exception):  # noqa: N818  a signal, not an error
    """What the guard of an exhausted budget raises."""


@dataclass
class BudgetGuard:
    """So many calls may be made."""

    calls: int = 10_000
    reserved: list[str] = field(default_factory=list)

    async def reserve(self, request: GenerationRequest) -> None:
        if len(self.reserved) == self.calls:
            raise Spent
        self.reserved.append(request.key)


def run_with(
    budget_guard: BudgetGuard, shelf: Shelf, count: int, limits: CallLimits = LIMITS
) -> Summary:
    return generate_all(
        requests(count),
        generator=shelf.generator,
        governor=fast(),
        flow=FLOW,
        limits=limits,
        budget_guard=budget_guard,
        store=shelf.store,
        check=shelf.check,
    )


def test_an_exhausted_budget_ends_the_run_and_what_was_paid_is_stored(
    provider: Provider, shelf: Shelf
) -> None:
    budget_guard = BudgetGuard(calls=100)
    with pytest.raises(Spent):
        run_with(budget_guard, shelf, 5000)
    assert len(provider.paths) == 100
    assert sorted(shelf.keys) == sorted(budget_guard.reserved)


def test_only_a_try_that_may_be_billed_is_reserved(provider: Provider, shelf: Shelf) -> None:
    provider.faults.extend([503, DROP, HANG, 429])
    budget_guard = BudgetGuard()
    summary = run_with(
        budget_guard, shelf, 10, CallLimits(in_flight=8, attempts=4, timeout_seconds=0.4)
    )
    assert (summary.answered, summary.retried, summary.refused_429) == (10, 3, 1)
    # The lost connection and the silence may have cost money; a 503 and a 429 have not.
    assert len(budget_guard.reserved) == 12
    assert sum(len(result.billed) for result in shelf.answered) == 12
    lost = [each for result in shelf.answered for each in result.lost]
    assert [(each.uncounted, each.prompt_tokens > 0, each.output_tokens > 0) for each in lost] == [
        (True, True, True)
    ] * 2


def test_a_straggler_is_sent_twice_with_hedging_on(provider: Provider, shelf: Shelf) -> None:
    provider.once["prompt-150"] = HANG
    limits = CallLimits(in_flight=16, attempts=1, timeout_seconds=30, hedging=True)
    provider.latency_seconds = 0.01
    budget_guard = BudgetGuard()
    summary = run_with(budget_guard, shelf, 600, limits)
    assert summary.answered == 600  # the first call hangs for its one attempt
    assert 1 <= summary.hedged <= 12
    # One whose first call is answered just then is given up before it has reserved anything.
    assert 600 < len(budget_guard.reserved) <= 600 + summary.hedged
    assert len(set(shelf.keys)) == len(shelf.keys) == 600


def test_stragglers_are_the_slowest_and_few() -> None:
    hedges = Hedges()
    assert (hedges.threshold_seconds(), hedges.take()) == (3.0, False)
    for number in range(400):
        hedges.observe(0.1 if number % 100 else 2.0)
    assert hedges.threshold_seconds() == pytest.approx(3.0)
    assert [hedges.take() for _ in range(12)] == [True] * 8 + [False] * 4


def request_of(text: str) -> GenerationRequest:
    return GenerationRequest("k", "m", "m", "l", (Turn("user", text),))


def test_token_estimates_follow_what_calls_really_took() -> None:
    estimates = TokenEstimates()
    request = request_of("word " * 400)
    assert estimates.of(request) == 500 + 256
    for _ in range(50):
        answer = Generation(Outcome.OK, prompt_tokens=1500, output_tokens=8)
        estimates.observe(request, answer)
    assert estimates.of(request) == pytest.approx(1510, abs=15)
    estimates.observe(request, Generation(Outcome.FAILED))
    assert estimates.of(request) == pytest.approx(1510, abs=15)


def test_the_token_quota_paces_the_calls_by_what_they_are_expected_to_take(
    provider: Provider, shelf: Shelf
) -> None:
    provider.latency_seconds = 0.01
    quota = Quota(requests_per_minute=60_000, tokens_per_minute=9_000, burst_seconds=1)
    begun = time.monotonic()
    shelf.run(requests(60), governor=LocalGovernor(quota))
    # 60 calls of 5 tokens at 150 a second; the first are taken for longer than they are.
    assert time.monotonic() - begun > 1


def test_a_used_up_day_stops_other_runs_before_they_call(provider: Provider, shelf: Shelf) -> None:
    provider.always["prompt-0"] = DAY_USED_UP
    governor = LocalGovernor(Quota(requests_per_minute=60_000))
    with pytest.raises(QuotaExhausted):
        shelf.run(requests(1), governor=governor)
    calls = len(provider.paths)
    with pytest.raises(RateLimited) as caught:
        shelf.run(requests(50, start=100), governor=governor)
    assert getattr(caught.value, "resume_seconds", 0) == pytest.approx(7200, abs=30)
    assert len(provider.paths) == calls


def test_a_request_is_returned_with_its_answer(shelf: Shelf) -> None:
    shelf.run(requests(2))
    answered: list[GenerationResult] = shelf.answered
    assert {result.request for result in answered} == set(requests(2))
    assert {result.key for result in answered} == {"row-0", "row-1"}
