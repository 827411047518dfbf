"""SQL of stored answers: the predictions of an evaluation, and what judges say of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    FromClause,
    Subquery,
    Table,
    and_,
    cast,
    column,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from service.database import Json, Session, UtcDateTime
from service.evaluation.models import Judgement, Prediction
from service.inference.ports import ANSWER_COLUMNS, Outcome

# The bare tables: the ORM's own bulk path costs twice the CPU a row.
_PREDICTION: Table = Prediction.metadata.tables[Prediction.__tablename__]
_JUDGEMENT: Table = Judgement.metadata.tables[Judgement.__tablename__]

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
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Where answers are stored; `fixed` are the columns that are the same in all of them."""

    table: Table
    fixed: Mapping[str, str] = field(default_factory=dict)

    def of(self, evaluation_id: str) -> ColumnElement[bool]:
        columns = self.table.c
        is_fixed = (columns[name] == value for name, value in self.fixed.items())
        return and_(columns.evaluation_id == evaluation_id, *is_fixed)


PREDICTIONS = AnswerTable(_PREDICTION)


def judgements_by(judge: str) -> AnswerTable:
    """Return where the judgements of one judge are stored."""
    return AnswerTable(_JUDGEMENT, {"judge": judge})


def stored_keys(
    session: Session,
    evaluation_id: str,
    example_ids: Sequence[str],
    *,
    answers: AnswerTable = PREDICTIONS,
) -> set[SampleKey]:
    """Return the keys of the stored answers to some examples."""
    columns = answers.table.c
    query = select(columns.example_id, columns.sample).where(
        answers.of(evaluation_id), columns.example_id.in_(example_ids)
    )
    return {(row[0], row[1]) for row in session.execute(query)}


def count_answers(
    session: Session, evaluation_id: str, *, answers: AnswerTable = PREDICTIONS
) -> int:
    query = select(func.count()).select_from(answers.table).where(answers.of(evaluation_id))
    return session.scalar(query) or 0


def delete_failed(session: Session, evaluation_id: str) -> int:
    """Delete the calls of an evaluation that had no answer, or an empty one, after all attempts,
    with what judges said of those rows, and the judgements that failed; return how many.
    """
    is_failed = and_(
        PREDICTIONS.of(evaluation_id),
        _PREDICTION.c.outcome.in_([Outcome.FAILED.value, Outcome.EMPTY.value]),
    )
    examples = select(_PREDICTION.c.example_id).where(is_failed)
    of_evaluation = _JUDGEMENT.c.evaluation_id == evaluation_id
    session.execute(delete(_JUDGEMENT).where(of_evaluation, _JUDGEMENT.c.example_id.in_(examples)))
    unjudged = _JUDGEMENT.c.outcome == Outcome.FAILED.value
    gone = (
        session.execute(delete(_JUDGEMENT).where(of_evaluation, unjudged)),
        session.execute(delete(_PREDICTION).where(is_failed)),
    )
    return sum(int(each.rowcount) for each in gone if isinstance(each, CursorResult))


def insert_answers(
    session: Session, rows: Sequence[dict[str, Any]], *, answers: AnswerTable = PREDICTIONS
) -> None:
    """Insert answers; one that is stored already stays as it is."""
    insert = _dialect(session).insert(answers.table)
    session.execute(insert.on_conflict_do_nothing(), [{**row, **answers.fixed} for row in rows])


def insert_cached(
    session: Session,
    evaluation_id: str,
    fingerprints: Mapping[SampleKey, str],
    cached: Subquery,
    *,
    now: datetime,
    answers: AnswerTable = PREDICTIONS,
) -> set[SampleKey]:
    """Copy cached answers inside the database, and return the keys of those that were inserted.

    `fingerprints` has the fingerprint of each request; `cached` has the column `fingerprint`
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
        **{name: literal(value) for name, value in answers.fixed.items()},
        **{name: cached.c[name] for name in ANSWER_COLUMNS},
    }
    found = select(*values.values()).where(cached.c.fingerprint == value[0].as_string())
    columns = answers.table.c
    copied = _dialect(session).insert(answers.table).from_select(list(values), found)
    inserted = session.execute(
        copied.on_conflict_do_nothing().returning(columns.example_id, columns.sample)
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
    session: Session,
    evaluation_id: str,
    example_ids: Sequence[str],
    *,
    answers: AnswerTable = PREDICTIONS,
) -> dict[str, list[Sample]]:
    """Return the stored answers to some examples, by example in the order of their samples."""
    columns = answers.table.c
    query = select(*(columns[each.name] for each in fields(Sample))).where(
        answers.of(evaluation_id), columns.example_id.in_(example_ids)
    )
    found: dict[str, list[Sample]] = {}
    for row in session.execute(query.order_by(columns.sample)):
        sample = Sample(*row)
        found.setdefault(sample.example_id, []).append(sample)
    return found
