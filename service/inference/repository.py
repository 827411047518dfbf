"""SQL of the cost ledger and of cached responses."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Subquery,
    Table,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from service.catalogue.prices import UsageTotals
from service.database import Session
from service.inference.models import CachedResponse, QuotaControl, Usage
from service.inference.ports import ANSWER_COLUMNS

_SUMMED = (
    Usage.requests,
    Usage.prompt_tokens,
    Usage.output_tokens,
    Usage.training_tokens,
    Usage.thinking_tokens,
    Usage.cached_tokens,
    Usage.uncounted_nano,
    Usage.hedged,
    Usage.cost_nano,
)


def add_usage(session: Session, usage: Usage) -> int:
    session.add(usage)
    session.flush()
    return usage.id


def remove_usage(session: Session, usage_id: int) -> None:
    session.execute(delete(Usage).where(Usage.id == usage_id))


def usage_by_job(session: Session, job_ids: Collection[str]) -> dict[str, UsageTotals]:
    """Return what jobs have used themselves; those that used nothing are missing."""
    query = (
        select(Usage.job_id, Usage.base_model, Usage.synthetic, *_sums())
        .where(Usage.job_id.in_(job_ids))
        .group_by(Usage.job_id, Usage.base_model, Usage.synthetic)
    )
    found: dict[str, UsageTotals] = {}
    for job_id, base_model, synthetic, *sums in session.execute(query):
        totals = _totals(base_model, sums, synthetic=synthetic)
        found[job_id] = found.get(job_id, UsageTotals()) + totals
    return found


def usage_by_day(
    session: Session, project_id: str, *, first: date, last: date
) -> list[tuple[date, str, UsageTotals]]:
    """Return what a project has used by UTC day and base model, newest day first; what an
    emulator answered stands apart.
    """
    query = (
        select(Usage.day, Usage.base_model, Usage.synthetic, *_sums())
        .where(Usage.project_id == project_id, Usage.day >= first, Usage.day <= last)
        .group_by(Usage.day, Usage.base_model, Usage.synthetic)
        .order_by(Usage.day.desc(), Usage.base_model, Usage.synthetic)
    )
    return [
        (day, name, _totals(name, sums, synthetic=synthetic))
        for day, name, synthetic, *sums in session.execute(query)
    ]


def _sums() -> list[ColumnElement[Any]]:
    unpriced = func.count().filter(Usage.cost_nano.is_(None))
    return [*(func.coalesce(func.sum(column), 0) for column in _SUMMED), unpriced]


def _totals(base_model: str, values: Sequence[Any], *, synthetic: bool) -> UsageTotals:
    *sums, known, unpriced = (int(value) for value in values)
    names = [column.key for column in _SUMMED[:-1]]
    return UsageTotals(
        **dict(zip(names, sums, strict=True)),
        known_nano=known,
        synthetic_nano=known if synthetic else 0,
        synthetic=synthetic,
        unpriced=(base_model,) if unpriced else (),
    )


# ------------------------------------------------------------ quotas


def quota_controls(session: Session) -> list[QuotaControl]:
    return list(session.scalars(select(QuotaControl)))


def lock_quota_control(session: Session, key: str) -> QuotaControl:
    """Return what is set for a quota, locked; a new row where nothing was set before."""
    row = session.get(QuotaControl, key, with_for_update=True)
    if row is None:
        row = QuotaControl(key=key, paused=False)
        session.add(row)
    return row


# ------------------------------------------------------------ cached responses

# The bare table: the ORM's own bulk path costs twice the CPU a row.
_RESPONSES: Table = CachedResponse.metadata.tables[CachedResponse.__tablename__]
_RESPONSE_KEY = ("fingerprint", "scope")


def cached_responses(*, scope: str, now: datetime) -> Subquery:
    """Return the responses of a scope that have not expired: `fingerprint` and an answer.

    Earlier versions kept answers that said nothing; those are left out.
    """
    columns = [_RESPONSES.c[name] for name in ("fingerprint", *ANSWER_COLUMNS)]
    is_ours = (_RESPONSES.c.scope == scope) & (_RESPONSES.c.expires_at > now)
    outcome = _RESPONSES.c.outcome
    is_empty = (outcome == "ok") & (_RESPONSES.c.text == "")
    is_vague = (outcome == "refused") & (_RESPONSES.c.finish_reason == "")
    return select(*columns).where(is_ours, ~is_empty, ~is_vague).subquery("cached")


def put_responses(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write responses; one with the same key is replaced."""
    # One order for all writers: two that met in opposite orders would deadlock on PostgreSQL.
    ordered = sorted(rows, key=lambda row: str(row["fingerprint"]))
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_RESPONSES)
    replaced = (*ANSWER_COLUMNS, "evaluation_id", "created_at", "expires_at")
    fresh = {name: insert.excluded[name] for name in replaced}
    session.execute(insert.on_conflict_do_update(index_elements=_RESPONSE_KEY, set_=fresh), ordered)


def delete_responses(session: Session, evaluation_id: str, *, unknown_of: str) -> None:
    """Delete the responses of an evaluation, and those of no known one whose scope begins so."""
    unknown = _RESPONSES.c.evaluation_id.is_(None) & _RESPONSES.c.scope.startswith(
        unknown_of, autoescape=True
    )
    known = _RESPONSES.c.evaluation_id == evaluation_id
    session.execute(delete(_RESPONSES).where(known | unknown))


def delete_expired(session: Session, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` responses that expired before a time; return how many."""
    key = [_RESPONSES.c[name] for name in _RESPONSE_KEY]
    found = select(*key).where(_RESPONSES.c.expires_at < before).limit(limit)
    # A row that is just being replaced is skipped: waiting for it could deadlock, too.
    free = found.with_for_update(skip_locked=True)
    gone = session.execute(delete(_RESPONSES).where(tuple_(*key).in_(free)))
    return int(gone.rowcount) if isinstance(gone, CursorResult) else 0
