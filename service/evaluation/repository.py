"""SQL of evaluations, predictions and scores."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.database import delete_unless_used
from service.evaluation.models import Evaluation, Prediction, ScoreRow
from service.evaluation.votes import Sample

# The bare table: the ORM's own bulk path costs twice the CPU a row.
_PREDICTION: Table = Prediction.metadata.tables[Prediction.__tablename__]


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


def stored_keys(
    session: Session, evaluation_id: str, example_ids: Sequence[str]
) -> set[tuple[str, int]]:
    """Return the example and the sample of those answers to some examples that are stored."""
    query = select(_PREDICTION.c.example_id, _PREDICTION.c.sample).where(
        _PREDICTION.c.evaluation_id == evaluation_id,
        _PREDICTION.c.example_id.in_(example_ids),
    )
    return {(row[0], row[1]) for row in session.execute(query)}


def count_predictions(session: Session, evaluation_id: str) -> int:
    query = select(func.count()).where(_PREDICTION.c.evaluation_id == evaluation_id)
    return session.scalar(query) or 0


def insert_predictions(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert answers; one that is stored already stays as it is."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(_PREDICTION).on_conflict_do_nothing(), list(rows))


def samples_of(
    session: Session, evaluation_id: str, example_ids: Sequence[str]
) -> dict[str, list[Sample]]:
    """Return the stored answers to some examples, by example in the order of their samples."""
    columns = [_PREDICTION.c[each.name] for each in fields(Sample)]
    query = select(*columns).where(
        _PREDICTION.c.evaluation_id == evaluation_id,
        _PREDICTION.c.example_id.in_(example_ids),
    )
    found: dict[str, list[Sample]] = {}
    for row in session.execute(query.order_by(_PREDICTION.c.sample)):
        sample = Sample(*row)
        found.setdefault(sample.example_id, []).append(sample)
    return found


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
