"""SQL of evaluations, predictions and scores."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.database import delete_unless_used
from service.evaluation.models import Evaluation, Prediction, ScoreRow


def add(session: Session, row: Evaluation) -> None:
    session.add(row)
    session.flush()


def find(session: Session, evaluation_id: str, *, project_id: str) -> Evaluation | None:
    query = select(Evaluation).where(
        Evaluation.id == evaluation_id, Evaluation.project_id == project_id
    )
    return session.scalar(query)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[Evaluation]:
    query = select(Evaluation).where(Evaluation.project_id == project_id)
    if after:
        query = query.where(Evaluation.id < after)
    return list(session.scalars(query.order_by(Evaluation.id.desc()).limit(limit)))


def answered_ids(session: Session, evaluation_id: str) -> set[str]:
    query = select(Prediction.example_id).where(Prediction.evaluation_id == evaluation_id)
    return set(session.scalars(query))


def insert_predictions(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert answers; one that is stored already stays as it is."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(Prediction).on_conflict_do_nothing(), list(rows))


def predictions(session: Session, evaluation_id: str) -> dict[str, Prediction]:
    query = select(Prediction).where(Prediction.evaluation_id == evaluation_id)
    return {row.example_id: row for row in session.scalars(query)}


def put_scores(session: Session, rows: Sequence[ScoreRow]) -> None:
    for row in rows:
        session.merge(row)


def scores(session: Session, evaluation_ids: Sequence[str]) -> Iterator[ScoreRow]:
    query = (
        select(ScoreRow)
        .where(ScoreRow.evaluation_id.in_(evaluation_ids))
        .order_by(ScoreRow.evaluation_id, ScoreRow.position)
    )
    yield from session.scalars(query)


def remove(session: Session, evaluation_id: str) -> bool:
    return delete_unless_used(session, Evaluation, evaluation_id)
