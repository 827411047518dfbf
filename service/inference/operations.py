"""Verbs of inference: send many calls and store their results; keep the cost ledger."""

from collections.abc import Callable, Collection, Iterable, Sequence

from service.clock import utc_now
from service.database import Session
from service.inference.event_loop import loop_thread
from service.inference.models import Usage
from service.inference.ports import GenerationRequest, Generator, Governor
from service.inference.repository import UsageTotals, add_usage, sum_usage
from service.inference.sending import Answered, CallLimits, Sending, Summary

__all__ = [
    "Answered",
    "CallLimits",
    "Summary",
    "UsageTotals",
    "generate_all",
    "record_usage",
    "shut_down",
    "usage_of",
]


def generate_all(
    requests: Iterable[GenerationRequest],
    *,
    generator: Generator,
    governor: Governor,
    limits: CallLimits,
    store: Callable[[Sequence[Answered]], None],
    check: Callable[[], None],
) -> Summary:
    """Send every request and hand each result to `store`; returns when all are stored.

    `requests` is read as slots come free, `store` gets batches at most 20 ms or 200 rows behind,
    one at a time; both, and `check` twice a second, are called in other threads. A 429 costs
    pace and no attempt; a request without an answer after all attempts ends as `failed`. There
    is no memory between two runs: to resume, pass what is not stored yet.

    An error of `store` ends the run at once. An error of `check`, a refusal that every call
    would meet (Forbidden, NotFound) and a used-up day (QuotaExhausted, which says when to come
    back) start no further call, wait up to 5 s for those in flight, store them, then go up.
    """

    async def send() -> Summary:
        sending = Sending(
            requests,
            generator=generator,
            governor=governor,
            limits=limits,
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


def record_usage(
    session: Session,
    *,
    project_id: str,
    job_id: str,
    base_model: str,
    requests: int,
    prompt_tokens: int,
    output_tokens: int,
    training_tokens: int = 0,
) -> None:
    """Add one entry to the cost ledger, in the caller's transaction."""
    usage = Usage(
        project_id=project_id,
        job_id=job_id,
        base_model=base_model,
        requests=requests,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        training_tokens=training_tokens,
        created_at=utc_now(),
    )
    add_usage(session, usage)


def usage_of(session: Session, job_ids: Collection[str]) -> UsageTotals:
    """Return what these jobs have used so far; zero when they used nothing."""
    return sum_usage(session, job_ids)
