"""SQL of projects and keys."""

from datetime import datetime

from sqlalchemy import bindparam, delete, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.projects.models import ApiKey, AuditEntry, Project


def find_project_id(session: Session, name: str) -> str | None:
    return session.scalar(select(Project.id).where(Project.name == name))


def find_project(session: Session, project_id: str) -> Project | None:
    return session.get(Project, project_id)


def service_account_of(session: Session, project_id: str) -> str | None:
    return session.scalar(select(Project.service_account).where(Project.id == project_id))


def service_accounts(session: Session) -> list[str]:
    query = select(Project.service_account).where(Project.service_account.is_not(None))
    return sorted({account for account in session.scalars(query) if account})


def page_of_projects(session: Session, *, after: str | None, limit: int) -> list[Project]:
    """Return up to `limit` projects, newest first; `after` is the last id of the page before."""
    query = select(Project).order_by(Project.id.desc()).limit(limit)
    if after:
        query = query.where(Project.id < after)
    return list(session.scalars(query))


def lock_admin_keys(session: Session, project_id: str, *, now: datetime) -> list[ApiKey]:
    """Return the keys that can administer a project now.

    They are locked: two that revoke each other at once must not both succeed.
    """
    query = select(ApiKey).where(
        ApiKey.project_id == project_id,
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )
    keys = session.scalars(query.order_by(ApiKey.id).with_for_update())
    return [key for key in keys if "admin" in key.scopes]


def lock_project(session: Session, project_id: str) -> None:
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update())


def insert_project(session: Session, project: Project) -> bool:
    """Return False when a project of this name was inserted meanwhile."""
    try:
        with session.begin_nested():
            session.add(project)
    except IntegrityError:
        return False
    return True


_PROJECT = Project.metadata.tables[Project.__tablename__].c
_COUNT_UP = (  # with every event, while others wait: so built once, and past the mapper
    update(_PROJECT.event_seq.table)
    .where(_PROJECT.id == bindparam("project"))
    .values(event_seq=_PROJECT.event_seq + 1)
    .returning(_PROJECT.event_seq)
)


def next_event_seq(session: Session, project_id: str) -> int | None:
    """Count up, and hold the project's row until the caller commits."""
    seq: int | None = session.scalar(_COUNT_UP, {"project": project_id})
    return seq


def insert_key(session: Session, key: ApiKey) -> None:
    session.add(key)
    session.flush()


def find_key_by_public_part(session: Session, public_part: str) -> tuple[ApiKey, Project] | None:
    query = select(ApiKey, Project).join(Project, Project.id == ApiKey.project_id)
    row = session.execute(query.where(ApiKey.public_part == public_part)).first()
    return (row[0], row[1]) if row else None


def find_key(session: Session, key_id: str, project_id: str) -> ApiKey | None:
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.project_id == project_id)
    return session.scalar(query.with_for_update())


def page_of_keys(
    session: Session, project_id: str, *, after: str | None, limit: int
) -> list[ApiKey]:
    """Return up to `limit` keys, newest first; `after` is the last id of the page before."""
    query = select(ApiKey).where(ApiKey.project_id == project_id)
    if after:
        query = query.where(ApiKey.id < after)
    return list(session.scalars(query.order_by(ApiKey.id.desc()).limit(limit)))


def has_live_key(session: Session, project_id: str, *, now: datetime) -> bool:
    live = exists().where(
        ApiKey.project_id == project_id,
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )
    return bool(session.scalar(select(live)))


def touch_key(session: Session, key_id: str, *, now: datetime, unless_after: datetime) -> None:
    session.execute(
        update(ApiKey)
        .where(
            ApiKey.id == key_id,
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= unless_after),
        )
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


# ------------------------------------------------------------ audit


def add_entry(session: Session, row: AuditEntry) -> None:
    session.add(row)


def page_of_entries(
    session: Session, project_id: str | None, *, after: str | None, limit: int
) -> list[AuditEntry]:
    """Return up to `limit` entries, newest first; of all projects where none is given."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if project_id is not None:
        query = query.where(AuditEntry.project_id == project_id)
    if after:
        query = query.where(AuditEntry.id < after)
    return list(session.scalars(query))


def delete_entries(session: Session, *, before: datetime) -> None:
    session.execute(delete(AuditEntry).where(AuditEntry.created_at < before))
