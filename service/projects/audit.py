"""The audit trail: who changed, exported or deleted what, and who failed to get in."""

from datetime import datetime

from service.clock import utc_now
from service.database import Session, Sessions
from service.ids import Prefix, new_id
from service.projects import repository
from service.projects.models import AuditEntry
from service.projects.schemas import AuditEntryView

_TARGET_LENGTH = 300


def write_entry(
    session: Session,
    action: str,
    *,
    project_id: str | None,
    key_id: str | None,
    address: str | None = None,
    target: str = "",
) -> None:
    """Add an entry in the caller's transaction; it holds ids and no data."""
    entry = AuditEntry(
        id=new_id(Prefix.AUDIT_ENTRY),
        project_id=project_id,
        key_id=key_id,
        address=address,
        action=action,
        target=target[:_TARGET_LENGTH],
        created_at=utc_now(),
    )
    repository.add_entry(session, entry)


def list_entries(
    project_id: str | None, *, after: str | None, limit: int, sessions: Sessions
) -> list[AuditEntryView]:
    """Return a page of entries, newest first; of all projects where none is given."""
    with sessions.reading() as session:
        rows = repository.page_of_entries(session, project_id, after=after, limit=limit)
        return [AuditEntryView.model_validate(row) for row in rows]


def purge_entries(before: datetime, *, sessions: Sessions) -> None:
    """Delete entries older than a time."""
    with sessions.transaction() as session:
        repository.delete_entries(session, before=before)
