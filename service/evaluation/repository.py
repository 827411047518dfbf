"""SQL of evaluations, their predictions, scores and batches."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CursorResult,
    FromClause,
    Subquery,
    Table,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from service.database import Json, Session, UtcDateTime, delete_unless_used
from service.errors import NotFound
from service.evaluation.models import BatchRun, Evaluation, Prediction, ScoreRow
from service.inference.ports import ANSWER_COLUMNS, Outcome

# The bare table: the ORM's own bulk path costs twice the CPU a row.
_PREDICTION: Table = Prediction.metadata.tables[Prediction.__tablename__]

SampleKey = tuple[str, int]  # an example's id and the number of the sample


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored answer to one row, without the provider's account of its tokens."""

    example_id: str
    sample: int
    outcome: str
    text: str
    finish_reason: str
    error: str
    prompt_tokens: int
    output_tokens: int
    uncounted: bool
    synthetic: bool
    cached: bool
    created_at: datetime
    cost_nano: int | None = None
    latency_ms: int | None = None


def add(session: Session, row: Evaluation) -> None:
    session.add(row)
    session.flush()


def get(session: Session, evaluation_id: str, *, project_id: str) -> Evaluation:
    """Return an evaluation of the project; raises NotFound."""
    query = select(Evaluation).where(
        Evaluation.id == evaluation_id, Evaluation.project_id == project_id
    )
    row = session.scalar(query)
    if row is None:
        raise NotFound(f"no evaluation {evaluation_id}", code="evaluation_not_found")
    return row


def lock(session: Session, evaluation_id: str) -> Evaluation:
    """Return an evaluation as it stands now, locked for the rest of the transaction."""
    return session.get_one(Evaluation, evaluation_id, with_for_update=True)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[Evaluation]:
    query = select(Evaluation).where(Evaluation.project_id == project_id)
    if after:
        query = query.where(Evaluation.id < after)
    return list(session.scalars(query.order_by(Evaluation.id.desc()).limit(limit)))


def of_model(session: Session, model_id: str, *, project_id: str) -> list[Evaluation]:
    """Return the finished evaluations of a tuned model on test rows, newest first; none of a
    checkpoint that was asked by its id.
    """
    query = select(Evaluation).where(
        Evaluation.project_id == project_id,
        Evaluation.model_id == model_id,
        Evaluation.checkpoint.is_(None),
        Evaluation.split == "test",
        Evaluation.ready_at.is_not(None),
    )
    return list(session.scalars(query.order_by(Evaluation.id.desc())))


def base_models(session: Session, project_id: str) -> set[str]:
    query = select(Evaluation.base_model).where(Evaluation.project_id == project_id).distinct()
    return set(session.scalars(query))


def remove(session: Session, evaluation_id: str) -> list[str]:
    """Delete an evaluation unless it is used; return what uses it."""
    return delete_unless_used(session, Evaluation, evaluation_id)


# ------------------------------------------------------------ predictions


def stored_keys(session: Session, evaluation_id: str, example_ids: Sequence[str]) -> set[SampleKey]:
    """Return the keys of the stored answers to some examples."""
    query = select(_PREDICTION.c.example_id, _PREDICTION.c.sample).where(
        _PREDICTION.c.evaluation_id == evaluation_id,
        _PREDICTION.c.example_id.in_(example_ids),
    )
    return {(row[0], row[1]) for row in session.execute(query)}


def count_predictions(session: Session, evaluation_id: str) -> int:
    query = select(func.count()).where(_PREDICTION.c.evaluation_id == evaluation_id)
    return session.scalar(query) or 0


def delete_failed(session: Session, evaluation_id: str) -> int:
    """Delete the calls of an evaluation that had no answer, or an empty one, after all attempts;
    return how many.
    """
    failed = delete(_PREDICTION).where(
        _PREDICTION.c.evaluation_id == evaluation_id,
        _PREDICTION.c.outcome.in_([Outcome.FAILED.value, Outcome.EMPTY.value]),
    )
    gone = session.execute(failed)
    return int(gone.rowcount) if isinstance(gone, CursorResult) else 0


def insert_predictions(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert answers; one that is stored already stays as it is."""
    insert = _dialect(session).insert(_PREDICTION)
    session.execute(insert.on_conflict_do_nothing(), list(rows))


def insert_cached(
    session: Session,
    evaluation_id: str,
    fingerprints: Mapping[SampleKey, str],
    answers: Subquery,
    *,
    now: datetime,
) -> set[SampleKey]:
    """Copy cached answers inside the database, and return the keys of those that were inserted.

    `fingerprints` has the fingerprint of each request; `answers` has the column `fingerprint`
    and those of an answer.
    """
    is_server = session.get_bind().dialect.name == "postgresql"
    value = _listed(fingerprints, is_server=is_server).c.value
    values: dict[str, Any] = {
        "evaluation_id": literal(evaluation_id),
        "example_id": value[1].as_string(),
        "sample": value[2].as_integer(),
        "cost_nano": literal(0),
        "cached": literal(True),  # noqa: FBT003  a value of SQL
        "created_at": literal(now, UtcDateTime),
        **{name: answers.c[name] for name in ANSWER_COLUMNS},
    }
    found = select(*values.values()).where(answers.c.fingerprint == value[0].as_string())
    copied = _dialect(session).insert(_PREDICTION).from_select(list(values), found)
    inserted = session.execute(
        copied.on_conflict_do_nothing().returning(_PREDICTION.c.example_id, _PREDICTION.c.sample)
    )
    return {(row[0], row[1]) for row in inserted}


def _listed(fingerprints: Mapping[SampleKey, str], *, is_server: bool) -> FromClause:
    """Return the requests as rows of JSON: one variable, however many they are.

    The limit keeps SQLite from the plan it prefers: all cached answers, against each request.
    """
    rows = json.dumps([[fingerprint, *key] for key, fingerprint in fingerprints.items()])
    value = column("value", Json)
    if is_server:
        listed = func.jsonb_array_elements(cast(literal(rows), postgresql.JSONB))
    else:
        listed = func.json_each(rows)
    return select(listed.table_valued(value).c.value).limit(len(fingerprints)).subquery("requests")


def _dialect(session: Session) -> Any:
    return postgresql if session.get_bind().dialect.name == "postgresql" else sqlite


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


# ------------------------------------------------------------ scores


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


def mean_tokens(session: Session, evaluation_id: str) -> tuple[float, float]:
    """Return the mean tokens of a prompt and of an answer, of answers that have any; else 0."""
    query = select(
        func.coalesce(func.avg(Prediction.prompt_tokens), 0),
        func.coalesce(func.avg(Prediction.output_tokens), 0),
    ).where(Prediction.evaluation_id == evaluation_id, Prediction.prompt_tokens > 0)
    prompt, output = session.execute(query).one()
    return float(prompt), float(output)


def median_latency(session: Session, evaluation_id: str) -> int | None:
    """Return the median milliseconds of the calls that answered; None where none was timed."""
    timed = (
        _PREDICTION.c.evaluation_id == evaluation_id,
        _PREDICTION.c.latency_ms.is_not(None),
        _PREDICTION.c.cached.is_(False),
    )
    count = session.scalar(select(func.count()).where(*timed)) or 0
    query = select(_PREDICTION.c.latency_ms).where(*timed).order_by(_PREDICTION.c.latency_ms)
    return session.scalar(query.offset(count // 2).limit(1))


# ------------------------------------------------------------ lane and batch


def find_batch(session: Session, evaluation_id: str) -> BatchRun | None:
    return session.get(BatchRun, evaluation_id)


def spent_on(session: Session, evaluation_id: str) -> int:
    """Return the nano-dollars that the stored answers have cost; unpriced ones count nothing."""
    query = select(func.coalesce(func.sum(_PREDICTION.c.cost_nano), 0))
    return int(session.scalar(query.where(_PREDICTION.c.evaluation_id == evaluation_id)) or 0)


def lane_of(session: Session, evaluation_id: str) -> str | None:
    return session.scalar(select(Evaluation.lane).where(Evaluation.id == evaluation_id))


def set_lane(session: Session, evaluation_id: str, *, lane: str, reason: str) -> None:
    statement = update(Evaluation).where(Evaluation.id == evaluation_id)
    session.execute(statement.values(lane=lane, lane_reason=reason))
