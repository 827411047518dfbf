"""The cost ledger: usage and cost by entry, and their sums."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import date
from functools import reduce
from operator import add
from typing import Any

from service.catalogue.prices import CallPrice, UsageTotals
from service.clock import utc_now
from service.database import Session
from service.inference.budget_guard import JobBudgetGuard
from service.inference.models import Usage
from service.inference.ports import Generation, GenerationResult
from service.inference.repository import add_usage, usage_by_day, usage_by_job
from service.jobs.budgets import reserved_of
from service.jobs.queries import subtrees_of
from service.money import CURRENCY, dollars, dollars_or_none


def record_usage(
    session: Session,
    used: UsageTotals,
    *,
    project_id: str,
    job_id: str | None,
    base_model: str,
    lane: str = "online",
) -> int:
    """Add one entry to the cost ledger, in the caller's transaction; return its number.

    Thinking tokens are part of the output's and cached ones of the prompt's. A call outside jobs
    has no `job_id`.
    """
    now, entry = utc_now(), asdict(used)
    del entry["known_nano"], entry["unpriced"], entry["synthetic_nano"]
    usage = Usage(
        project_id=project_id,
        job_id=job_id,
        base_model=base_model,
        lane=lane,
        day=now.date(),
        created_at=now,
        cost_nano=used.cost_nano,
        **entry,
    )
    return add_usage(session, usage)


def record_calls(
    session: Session,
    batch: Sequence[GenerationResult],
    *,
    project_id: str,
    job_id: str | None,
    base_model: str,
    price: CallPrice | None,
    budget_guard: JobBudgetGuard | None = None,
    lane: str = "online",
) -> list[int | None]:
    """Enter a batch of answers into the ledger and settle the budget_guard, in the transaction that
    stores them. Returns the nano-dollars of each answer: None without a price.
    """
    costs = [cost_of_result(answer, price) for answer in batch]
    used = usage_of_calls(batch, base_model=base_model, price=price)
    if used.requests:
        record_usage(
            session, used, project_id=project_id, job_id=job_id, base_model=base_model, lane=lane
        )
    if budget_guard is not None:
        budget_guard.settle(session, batch, costs)
    return costs


def usage_of_calls(
    batch: Sequence[GenerationResult], *, base_model: str, price: CallPrice | None
) -> UsageTotals:
    """Return what a batch of results has used: all of it that was billed, discarded or not."""
    billed = [each for answer in batch for each in answer.billed]
    if not billed:
        return UsageTotals()
    return UsageTotals(
        requests=len(billed),
        prompt_tokens=sum(each.prompt_tokens for each in billed),
        output_tokens=sum(each.output_tokens for each in billed),
        thinking_tokens=sum(thinking_tokens_of(each) for each in billed),
        cached_tokens=sum(cached_tokens_of(each) for each in billed),
        uncounted_nano=sum(cost_of(each, price) or 0 for each in billed if each.uncounted),
        hedged=sum(answer.hedged for answer in batch),
        known_nano=sum(cost_of(each, price) or 0 for each in billed),
        synthetic=any(each.synthetic for each in billed),
        unpriced=(base_model,) if price is None else (),
    )


def costs_of(session: Session, job_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what each job has used so far with all its descendants, in the form of `Job.cost`:
    money as decimal strings, `actual` null where a part has no price (`known` is the rest, and
    `unpriced` whose price is missing), `uncounted` the part of `known` that is estimated, as the
    provider gave no counts, `reserved` null without a budget.
    """
    families = subtrees_of(session, job_ids)
    members = {member for family in families.values() for member in family}
    used, reserved = usage_by_job(session, members), reserved_of(session, members)
    return {
        job_id: _cost(
            reduce(add, (used[each] for each in family if each in used), UsageTotals()),
            [reserved[each] for each in family if each in reserved],
        )
        for job_id, family in families.items()
    }


def cost_of_job(session: Session, job_id: str) -> dict[str, Any]:
    """Return `costs_of` for one job."""
    return costs_of(session, [job_id])[job_id]


def used_by_job(session: Session, job_id: str) -> UsageTotals:
    """Return what a job has used itself, its descendants aside."""
    return usage_by_job(session, [job_id]).get(job_id, UsageTotals())


def usage_of_project(
    session: Session, project_id: str, *, first: date, last: date
) -> list[tuple[date, str, UsageTotals]]:
    """Return what a project has used by UTC day and base model, newest day first."""
    return usage_by_day(session, project_id, first=first, last=last)


def _cost(totals: UsageTotals, reserved: Sequence[int]) -> dict[str, Any]:
    usage = asdict(totals)
    del usage["synthetic_nano"]
    if totals == UsageTotals():
        del usage["synthetic"]  # as the job has it from its submission
    known, actual = dollars(usage.pop("known_nano")), dollars_or_none(totals.cost_nano)
    uncounted = dollars(usage.pop("uncounted_nano"))
    held = dollars_or_none(sum(reserved)) if reserved else None
    cost = {**usage, "unpriced": list(totals.unpriced), "currency": CURRENCY}
    cost |= {"known": known, "uncounted": uncounted, "actual": actual}
    return cost if held is None else {**cost, "reserved": held}


def cost_of_result(result: GenerationResult, price: CallPrice | None) -> int | None:
    """Return the nano-dollars of a request, answers that said nothing included."""
    return None if price is None else sum(cost_of(each, price) or 0 for each in result.billed)


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
