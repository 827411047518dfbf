"""SQL of files."""

from sqlalchemy import delete, exists, select

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


def remove(session: Session, file_id: str, *, project_id: str) -> str | None:
    """Delete a row and return its object's key; None where there is no such row."""
    statement = (
        delete(File)
        .where(File.id == file_id, File.project_id == project_id)
        .returning(File.object_key)
    )
    return session.scalar(statement)


def is_used(session: Session, object_key: str) -> bool:
    return bool(session.scalar(select(exists().where(File.object_key == object_key))))
