"""SQL of the cost ledger."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select

from service.database import Session
from service.inference.models import Usage


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Calls and billed tokens, summed."""

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    training_tokens: int = 0


def add_usage(session: Session, usage: Usage) -> None:
    session.add(usage)
    session.flush()


def sum_usage(session: Session, job_ids: Collection[str]) -> UsageTotals:
    columns = (Usage.requests, Usage.prompt_tokens, Usage.output_tokens, Usage.training_tokens)
    sums = [func.coalesce(func.sum(column), 0) for column in columns]
    row = session.execute(select(*sums).where(Usage.job_id.in_(job_ids))).one()
    return UsageTotals(*(int(value) for value in row))
