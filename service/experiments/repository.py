"""SQL of experiments and variants."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.errors import NotFound
from service.experiments.models import Experiment, VariantRow


def add(session: Session, row: Experiment | VariantRow) -> None:
    session.add(row)
    session.flush()


def get(session: Session, experiment_id: str, *, project_id: str) -> Experiment:
    """Return an experiment of the project; raises NotFound."""
    query = select(Experiment).where(
        Experiment.id == experiment_id, Experiment.project_id == project_id
    )
    row = session.scalar(query)
    if row is None:
        raise NotFound(f"no experiment {experiment_id}", code="experiment_not_found")
    return row


def find(session: Session, experiment_id: str) -> Experiment | None:
    return session.get(Experiment, experiment_id)


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
