"""SQL of files."""

from sqlalchemy import select

from service.database import Session
from service.files.models import File


def add(session: Session, row: File) -> None:
    session.add(row)
    session.flush()


def find(session: Session, file_id: str, *, project_id: str) -> File | None:
    query = select(File).where(File.id == file_id, File.project_id == project_id)
    return session.scalar(query)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[File]:
    """Return up to `limit` files, newest first; `after` is the last id of the page before."""
    query = select(File).where(File.project_id == project_id).order_by(File.id.desc()).limit(limit)
    if after:
        query = query.where(File.id < after)
    return list(session.scalars(query))


def lock_sharing(session: Session, object_key: str) -> list[File]:
    """Return the files whose bytes lie under a key, locked in one order for all who ask."""
    query = select(File).where(File.object_key == object_key).order_by(File.id)
    return list(session.scalars(query.with_for_update()))


def remove(session: Session, row: File) -> None:
    session.delete(row)
    session.flush()
