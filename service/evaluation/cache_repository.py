"""SQL that copies remembered answers into an evaluation, without a detour through this process."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Subquery, Table, cast, column, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from service.database import Json, Session, UtcDateTime
from service.evaluation.models import Prediction

_PREDICTION: Table = Prediction.metadata.tables[Prediction.__tablename__]
_COPIED = (
    "outcome",
    "text",
    "finish_reason",
    "error",
    "prompt_tokens",
    "output_tokens",
    "usage",
    "synthetic",
)

Key = tuple[str, int]


def insert_cached(
    session: Session,
    evaluation_id: str,
    wanted: Mapping[Key, str],
    answers: Subquery,
    *,
    now: datetime,
) -> set[Key]:
    """Store the answers that are there, and return their examples and samples.

    `wanted` has the fingerprint of each request; `answers` has them in its column `fingerprint`.
    """
    is_server = session.get_bind().dialect.name == "postgresql"
    asked = _listed(wanted, is_server=is_server)
    value = asked.c.value
    values: dict[str, Any] = {
        "evaluation_id": literal(evaluation_id),
        "example_id": value[1].as_string(),
        "sample": value[2].as_integer(),
        "cost_nano": literal(0),
        "cached": literal(True),  # noqa: FBT003  a value of SQL
        "created_at": literal(now, UtcDateTime),
        **{name: answers.c[name] for name in _COPIED},
    }
    found = select(*values.values()).where(answers.c.fingerprint == value[0].as_string())
    insert = (postgresql if is_server else sqlite).insert(_PREDICTION)
    copied = insert.from_select(list(values), found).on_conflict_do_nothing()
    stored = session.execute(copied.returning(_PREDICTION.c.example_id, _PREDICTION.c.sample))
    return {(row[0], row[1]) for row in stored}


def _listed(wanted: Mapping[Key, str], *, is_server: bool) -> FromClause:
    """Return the requests as rows of JSON: one variable, however many they are.

    The limit keeps SQLite from the plan it likes better: all that is remembered, against each.
    """
    rows = json.dumps([[fingerprint, *key] for key, fingerprint in wanted.items()])
    value = column("value", Json)
    if is_server:
        listed = func.jsonb_array_elements(cast(literal(rows), postgresql.JSONB))
    else:
        listed = func.json_each(rows)
    return select(listed.table_valued(value).c.value).limit(len(wanted)).subquery("asked")
