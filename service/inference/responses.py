"""SQL of remembered responses."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Subquery, Table, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from service.database import Session
from service.inference.models import CachedResponse

# The bare table: the ORM's own bulk path costs twice the CPU a row.
_TABLE: Table = CachedResponse.metadata.tables[CachedResponse.__tablename__]
_KEY = ("fingerprint", "scope")
_ANSWER = (
    "outcome",
    "text",
    "finish_reason",
    "error",
    "prompt_tokens",
    "output_tokens",
    "usage",
    "synthetic",
)


def remembered(*, scope: str, now: datetime) -> Subquery:
    """Return what is remembered and has not expired: `fingerprint` and the parts of an answer."""
    columns = [_TABLE.c[name] for name in ("fingerprint", *_ANSWER)]
    is_ours = (_TABLE.c.scope == scope) & (_TABLE.c.expires_at > now)
    return select(*columns).where(is_ours).subquery("remembered")


def put(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write answers; one that is there already is replaced."""
    # One order for all writers: two that met in opposite orders would deadlock on PostgreSQL.
    ordered = sorted(rows, key=lambda row: str(row["fingerprint"]))
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(_TABLE)
    fresh = {name: insert.excluded[name] for name in (*_ANSWER, "created_at", "expires_at")}
    session.execute(insert.on_conflict_do_update(index_elements=_KEY, set_=fresh), ordered)


def purge(session: Session, *, before: datetime, limit: int) -> int:
    """Delete about `limit` answers that expired before a time; return how many."""
    key = [_TABLE.c[name] for name in _KEY]
    found = select(*key).where(_TABLE.c.expires_at < before).limit(limit)
    # What is being replaced just now is skipped: to wait for it could deadlock, too.
    free = found.with_for_update(skip_locked=True)
    gone = session.execute(delete(_TABLE).where(tuple_(*key).in_(free)))
    return int(gone.rowcount) if isinstance(gone, CursorResult) else 0
