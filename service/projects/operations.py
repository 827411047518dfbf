"""Operations on projects and keys."""

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Conflict, Fault, Internal, Invalid, NotFound, Unauthenticated
from service.ids import Prefix, new_id
from service.projects import repository
from service.projects.access import EVERYTHING
from service.projects.audit import write_entry
from service.projects.keys import PREFIX, digest, new_secret, public_part
from service.projects.models import ApiKey, Project
from service.projects.schemas import (
    DEFAULT_PROJECT,
    Key,
    KeyWithSecret,
    Principal,
    ProjectLimits,
    Scope,
)

_USE_RECORDED_EVERY = timedelta(minutes=1)
_ABSENT = "0" * 64


def ensure_project(name: str, *, sessions: Sessions) -> str:
    """Return the id of the project of this name; it is created if missing.

    The first one of an installation may use whatever its Google identity may; others nothing.
    """
    with sessions.transaction() as session:
        known = repository.find_project_id(session, name)
        if known is not None:
            return known
        open_to = [EVERYTHING] if name == DEFAULT_PROJECT else []
        project = Project(
            id=new_id(Prefix.PROJECT),
            name=name,
            event_seq=0,
            buckets=open_to,
            hub_datasets=open_to,
            tunings=open_to,
            tuning_service_accounts=open_to,
            kms_keys=open_to,
            limits={},
            created_at=utc_now(),
        )
        if repository.insert_project(session, project):
            return project.id
    return ensure_project(name, sessions=sessions)


def lock_project(session: Session, project_id: str) -> None:
    """Hold a project's row until the caller's transaction ends."""
    repository.lock_project(session, project_id)


def next_event_seq(session: Session, project_id: str) -> int:
    """Return the next number of a project's events, inside the caller's transaction.

    The project's row stays locked until that commits, so numbers have no gaps and become
    visible in their order.
    """
    seq = repository.next_event_seq(session, project_id)
    if seq is None:
        raise Internal(f"no project {project_id}")
    return seq


def create_key(
    project_id: str,
    *,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime | None = None,
    sessions: Sessions,
) -> KeyWithSecret:
    """Make a key; its secret is in the answer and nowhere else. Raises Invalid."""
    if expires_at is not None and expires_at <= utc_now():
        message = "expires_at is in the past; give a later time, or null for never"
        raise Invalid(message, faults=[Fault("/expires_at", "not_in_future", message)])
    with sessions.transaction() as session:
        return _insert_key(session, project_id, name=name, scopes=scopes, expires_at=expires_at)


def reset_keys(project_name: str, *, sessions: Sessions) -> KeyWithSecret:
    """Make a key with all scopes, and revoke every other with the scope `admin`, all or nothing.

    Keys that only read or write stay. Raises NotFound `project_not_found`.
    """
    with sessions.transaction() as session:
        project_id = repository.find_project_id(session, project_name)
        if project_id is None:
            raise NotFound(f"no project named {project_name!r}", code="project_not_found")
        now = utc_now()
        lost = repository.lock_admin_keys(session, project_id, now=now)
        for row in lost:
            row.revoked_at = now
        key = _insert_key(session, project_id, name="reset", scopes=Scope)
        target = " ".join([key.id, *(row.id for row in lost)])
        write_entry(session, "resetKeys", project_id=project_id, key_id=None, target=target)
        return key


def _insert_key(
    session: Session,
    project_id: str,
    *,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime | None = None,
) -> KeyWithSecret:
    secret = new_secret()
    row = ApiKey(
        id=new_id(Prefix.KEY),
        project_id=project_id,
        name=name,
        public_part=public_part(secret),
        secret_sha256=digest(secret),
        scopes=sorted(set(scopes)),
        created_at=utc_now(),
        expires_at=expires_at,
    )
    repository.insert_key(session, row)
    return KeyWithSecret(**_present(row).model_dump(), secret=secret)


def list_keys(
    project_id: str, *, after: str | None = None, limit: int = 20, sessions: Sessions
) -> list[Key]:
    """Return a page of keys, newest first, revoked and expired ones too."""
    with sessions.reading() as session:
        rows = repository.page_of_keys(session, project_id, after=after, limit=limit)
        return [_present(row) for row in rows]


def revoke_key(key_id: str, *, project_id: str, sessions: Sessions) -> None:
    """End a key for good. A second call changes nothing.

    Raises NotFound `key_not_found`, and Conflict `last_admin_key`.
    """
    with sessions.transaction() as session:
        row = repository.find_key(session, key_id, project_id)
        if row is None:
            raise NotFound(f"no key {key_id}", code="key_not_found")
        now = utc_now()
        admins = Scope.ADMIN in row.scopes
        if admins and repository.lock_admin_keys(session, project_id, now=now) == [row]:
            message = (
                "it is the last key of the project that can make keys: make another with the scope "
                "admin first; on the server's machine, `tunecurve key reset` replaces it"
            )
            raise Conflict(message, code="last_admin_key")
        row.revoked_at = row.revoked_at or now


def has_keys(project_id: str, *, sessions: Sessions) -> bool:
    """Return whether any key opens the project now."""
    with sessions.reading() as session:
        return repository.has_live_key(session, project_id, now=utc_now())


def authenticate(secret: str, *, sessions: Sessions, now: datetime | None = None) -> Principal:
    """Return whose secret this is.

    Raises Unauthenticated with one and the same message whether the key is malformed, unknown,
    wrong, expired or revoked, so that the answer helps no guesser.
    """
    moment = now or utc_now()
    row, project = _find_key(secret, sessions=sessions)
    matches = hmac.compare_digest(digest(secret), row.secret_sha256 if row else _ABSENT)
    if row is None or project is None or not matches or not _is_live(row, moment):
        raise _unauthenticated()
    if project.erasing_at is not None:
        raise _unauthenticated()
    _record_use(row, moment, sessions=sessions)
    return Principal(
        project_id=row.project_id,
        key_id=row.id,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        administers=project.name == DEFAULT_PROJECT,
        limits=ProjectLimits.model_validate(project.limits),
    )


def _unauthenticated() -> Unauthenticated:
    return Unauthenticated("no such key, or it is expired or revoked; send a valid key")


def _find_key(secret: str, *, sessions: Sessions) -> tuple[ApiKey, Project] | tuple[None, None]:
    public = public_part(secret)
    if public is None:
        return None, None
    with sessions.reading() as session:
        return repository.find_key_by_public_part(session, public) or (None, None)


def _is_live(row: ApiKey, now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def _record_use(row: ApiKey, now: datetime, *, sessions: Sessions) -> None:
    """Write the time of use at most once a minute: reading must not cost a write."""
    before = now - _USE_RECORDED_EVERY
    if row.last_used_at is not None and row.last_used_at > before:
        return
    with sessions.transaction() as session:
        repository.touch_key(session, row.id, now=now, unless_after=before)
        if row.last_used_at is None:
            write_entry(
                session, "keyFirstUsed", project_id=row.project_id, key_id=row.id, target=row.id
            )


def _present(row: ApiKey) -> Key:
    return Key(
        id=row.id,
        name=row.name,
        prefix=f"{PREFIX}_{row.public_part}",
        scopes=[Scope(scope) for scope in row.scopes],
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
