"""SQL of the cost ledger."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.engine import Row

from service.database import Session
from service.inference.models import Usage

_SUMMED = (
    Usage.requests,
    Usage.prompt_tokens,
    Usage.output_tokens,
    Usage.training_tokens,
    Usage.thinking_tokens,
    Usage.cached_tokens,
    Usage.cost_nano,
)


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Calls and billed tokens, summed; `cost_nano` is None where a part of it has no price."""

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    training_tokens: int = 0
    thinking_tokens: int = 0
    cached_tokens: int = 0
    cost_nano: int | None = 0

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        known = self.cost_nano is not None and other.cost_nano is not None
        return UsageTotals(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            training_tokens=self.training_tokens + other.training_tokens,
            thinking_tokens=self.thinking_tokens + other.thinking_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_nano=(self.cost_nano or 0) + (other.cost_nano or 0) if known else None,
        )


def add_usage(session: Session, usage: Usage) -> None:
    session.add(usage)
    session.flush()


def usage_by_job(session: Session, job_ids: Collection[str]) -> dict[str, UsageTotals]:
    """Return what jobs have used themselves; those that used nothing are missing."""
    query = select(Usage.job_id, *_sums()).where(Usage.job_id.in_(job_ids)).group_by(Usage.job_id)
    return {row[0]: _totals(row[1:]) for row in session.execute(query)}


def usage_by_day(
    session: Session, project_id: str, *, first: date, last: date
) -> list[tuple[date, str, UsageTotals]]:
    """Return what a project has used by UTC day and base model, newest day first."""
    query = (
        select(Usage.day, Usage.base_model, *_sums())
        .where(Usage.project_id == project_id, Usage.day >= first, Usage.day <= last)
        .group_by(Usage.day, Usage.base_model)
        .order_by(Usage.day.desc(), Usage.base_model)
    )
    return [(row[0], row[1], _totals(row[2:])) for row in session.execute(query)]


def _sums() -> list[ColumnElement[Any]]:
    unpriced = func.count().filter(Usage.cost_nano.is_(None))
    return [*(func.coalesce(func.sum(column), 0) for column in _SUMMED), unpriced]


def _totals(values: "Row[Any] | Sequence[Any]") -> UsageTotals:
    *sums, cost, unpriced = (int(value) for value in values)
    names = [column.key for column in _SUMMED[:-1]]
    return UsageTotals(**dict(zip(names, sums, strict=True)), cost_nano=None if unpriced else cost)
