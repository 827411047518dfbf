"""SQL of aliases and of retirements that were announced."""

from datetime import date

from sqlalchemy import select

from service.database import Session
from service.model_registry.models import Alias, AliasMove, AnnouncedRetirement


def find(session: Session, name: str, *, project_id: str, lock: bool = False) -> Alias | None:
    return session.get(Alias, (name, project_id), with_for_update=lock)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[Alias]:
    query = select(Alias).where(Alias.project_id == project_id)
    if after:
        query = query.where(Alias.name > after)
    return list(session.scalars(query.order_by(Alias.name).limit(limit)))


def names_of(session: Session, model_id: str) -> list[str]:
    """Return the aliases that stand for a model."""
    query = select(Alias.name).where(Alias.model_id == model_id)
    return list(session.scalars(query.order_by(Alias.name)))


def add(session: Session, row: Alias | AliasMove | AnnouncedRetirement) -> None:
    session.add(row)
    session.flush()


def remove(session: Session, row: Alias) -> None:
    session.delete(row)
    session.flush()


def moves(
    session: Session, name: str, *, project_id: str, after: str | None, limit: int
) -> list[AliasMove]:
    """Return a page of the moves of an alias, newest first."""
    query = select(AliasMove).where(AliasMove.name == name, AliasMove.project_id == project_id)
    if after:
        query = query.where(AliasMove.id < after)
    return list(session.scalars(query.order_by(AliasMove.id.desc()).limit(limit)))


def is_announced(session: Session, model_id: str, retires: date) -> bool:
    return session.get(AnnouncedRetirement, (model_id, retires)) is not None
