"""Verbs of inference: run many calls, and close what runs have used."""

from collections.abc import Callable, Iterable, Sequence

from service.inference.event_loop import loop_thread
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


def generate_all(
    requests: Iterable[GenerationRequest],
    *,
    generator: Generator,
    governor: Governor,
    flow: Flow,
    limits: CallLimits,
    budget_guard: BudgetGuard | None = None,
    store: Callable[[Sequence[GenerationResult]], None],
    check: Callable[[], None],
) -> Summary:
    """Send every request and pass its result to `store`; returns when all are stored.

    `requests` is read as slots become free. `store` gets results in batches of at most 200, at
    most 20 ms behind, one batch at a time; `check` is called ten times a second. All three run in
    other threads. A 429 slows the pace and does not count as an attempt; a request without an
    answer after all attempts ends as `failed`. Nothing is kept between two runs: to resume, pass
    the requests that are not stored yet.

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
        )
        return await run.run()

    return loop_thread().run(send())


def shut_down(*adapters: Generator | Governor) -> None:
    """Close what runs have used, then the event loop; a later run starts a new one."""

    async def close() -> None:
        for adapter in adapters:
            await adapter.close()

    loop_thread().run(close())
    loop_thread().stop()
