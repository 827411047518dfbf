"""SQL of experiments and variants."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.experiments.models import Experiment, VariantRow


def add(session: Session, row: Experiment | VariantRow) -> None:
    session.add(row)
    session.flush()


def find(session: Session, experiment_id: str, *, project_id: str) -> Experiment | None:
    query = select(Experiment).where(
        Experiment.id == experiment_id, Experiment.project_id == project_id
    )
    return session.scalar(query)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[Experiment]:
    query = select(Experiment).where(Experiment.project_id == project_id)
    if after:
        query = query.where(Experiment.id < after)
    return list(session.scalars(query.order_by(Experiment.id.desc()).limit(limit)))


def variants(session: Session, experiment_ids: Sequence[str]) -> list[VariantRow]:
    query = (
        select(VariantRow)
        .where(VariantRow.experiment_id.in_(experiment_ids))
        .order_by(VariantRow.experiment_id, VariantRow.position)
    )
    return list(session.scalars(query))


def delete(session: Session, row: Experiment) -> None:
    session.delete(row)
