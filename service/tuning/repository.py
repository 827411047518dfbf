"""SQL of tuning runs and models."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database import delete_unless_used
from service.tuning.models import TunedModel


def add(session: Session, row: TunedModel) -> None:
    session.add(row)
    session.flush()


def model(session: Session, model_id: str, *, project_id: str) -> TunedModel | None:
    query = select(TunedModel).where(TunedModel.id == model_id, TunedModel.project_id == project_id)
    return session.scalar(query)


def models(session: Session, project_id: str, *, after: str | None, limit: int) -> list[TunedModel]:
    query = select(TunedModel).where(TunedModel.project_id == project_id)
    if after:
        query = query.where(TunedModel.id < after)
    return list(session.scalars(query.order_by(TunedModel.id.desc()).limit(limit)))


def remove_model(session: Session, model_id: str) -> bool:
    return delete_unless_used(session, TunedModel, model_id)
