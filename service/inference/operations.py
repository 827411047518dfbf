"""Verbs of inference: send many calls and store their results; keep the cost ledger."""

from collections.abc import Callable, Iterable, Sequence

from service.inference.cache import (
    CacheRules,
    fingerprint_of,
    purge_responses,
    remember,
    remembered,
)
from service.inference.event_loop import loop_thread
from service.inference.ledger import (
    cost_of_job,
    costs_of,
    record_calls,
    record_usage,
    usage_of,
    usage_of_project,
)
from service.inference.ports import Flow, GenerationRequest, Generator, Governor, Purse
from service.inference.prices import CallPrice, Prices, load_prices
from service.inference.repository import UsageTotals
from service.inference.sending import Answered, CallLimits, Sending, Summary
from service.inference.spending import BudgetPurse, has_budget, open_purse, reserve_ahead

__all__ = [
    "Answered",
    "BudgetPurse",
    "CacheRules",
    "CallLimits",
    "CallPrice",
    "Prices",
    "Summary",
    "UsageTotals",
    "cost_of_job",
    "costs_of",
    "fingerprint_of",
    "generate_all",
    "has_budget",
    "load_prices",
    "open_purse",
    "purge_responses",
    "record_calls",
    "record_usage",
    "remember",
    "remembered",
    "reserve_ahead",
    "shut_down",
    "usage_of",
    "usage_of_project",
]


def generate_all(
    requests: Iterable[GenerationRequest],
    *,
    generator: Generator,
    governor: Governor,
    flow: Flow,
    limits: CallLimits,
    purse: Purse | None = None,
    store: Callable[[Sequence[Answered]], None],
    check: Callable[[], None],
) -> Summary:
    """Send every request and hand each result to `store`; returns when all are stored.

    `requests` is read as slots come free, `store` gets batches at most 20 ms or 200 rows behind,
    one at a time; both, and `check` twice a second, are called in other threads. A 429 costs
    pace and no attempt; a request without an answer after all attempts ends as `failed`. There
    is no memory between two runs: to resume, pass what is not stored yet.

    An error of `store` ends the run at once. A refusal that every call would meet (Forbidden,
    NotFound), a used-up day (QuotaExhausted, which says when to come back), what `purse` raises,
    and Draining start no further call, wait up to 15 s for those in flight, store them, then go
    up; so does any other error of `check` or of `requests`, which waits one second at most.
    """

    async def send() -> Summary:
        sending = Sending(
            requests,
            generator=generator,
            governor=governor,
            flow=flow,
            limits=limits,
            purse=purse,
            store=store,
            check=check,
        )
        return await sending.run()

    return loop_thread().run(send())


def shut_down(*adapters: Generator | Governor) -> None:
    """Close what runs have used, then the event loop; a later run starts a new one."""

    async def close() -> None:
        for adapter in adapters:
            await adapter.close()

    loop_thread().run(close())
    loop_thread().stop()
