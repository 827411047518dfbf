"""The search over the database: every table, every column that may hold a text."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, Column, RowMapping, String, Table, select, tuple_

from service.database import Model, Session
from service.erasure.subjects.needle import Needle
from service.erasure.subjects.schemas import SubjectPlace

ROWS_AT_ONCE = 500
Position = list[Any]
# What a table without `project_id` belongs to, by a column of its own.
_OWNERS = (("evaluation_id", "evaluation"), ("experiment_id", "experiment"), ("job_id", "job"))


def table_names() -> list[str]:
    """Return the tables that hold texts, in their order; a new one is among them by itself."""
    return sorted(name for name, table in Model.metadata.tables.items() if _columns(table))


def is_position(name: str, value: Any) -> bool:
    """Return whether a value may be the key of a row of a table."""
    types = [key.type.python_type for key in Model.metadata.tables[name].primary_key.columns]
    return isinstance(value, list) and [type(each) for each in value] == types


def search_table(
    session: Session, name: str, needle: Needle, *, after: Position | None
) -> tuple[list[SubjectPlace], int, Position | None]:
    """Return what was found in the next rows of a table, how many they are, and the last one.

    The last one is None at the table's end.
    """
    table = Model.metadata.tables[name]
    keys = list(table.primary_key.columns)
    query = select(table).order_by(*keys).limit(ROWS_AT_ONCE)
    if after is not None:
        query = query.where(tuple_(*keys) > tuple_(*after, types=[key.type for key in keys]))
    rows = session.execute(query).mappings().all()
    hits = [(row, column) for row in rows for column in _hits(row, table, needle)]
    last = [rows[-1][key] for key in keys] if len(rows) == ROWS_AT_ONCE else None
    return _places(session, table, hits), len(rows), last


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if isinstance(column.type, String | JSON)]


def _hits(row: RowMapping, table: Table, needle: Needle) -> Iterator[str]:
    for column in _columns(table):
        if needle.is_in_value(row[column]):
            yield column.name


def _places(
    session: Session, table: Table, hits: list[tuple[RowMapping, str]]
) -> list[SubjectPlace]:
    counts = Counter((_identity(row, table), column) for row, column in hits)
    return [
        SubjectPlace(
            kind=table.name,
            id=identity,
            project_id=project or _project_of(session, owner),
            field=column,
            count=count,
        )
        for ((identity, project, owner), column), count in counts.items()
    ]


def _identity(row: RowMapping, table: Table) -> tuple[str, str | None, tuple[str, str] | None]:
    """Return the id to delete by, the project, and the row of another table that knows it."""
    owned = next(((kind, row[table.c[name]]) for name, kind in _OWNERS if name in table.c), None)
    owner = owned if owned and owned[1] else None
    project = row[table.c.project_id] if "project_id" in table.c else None
    if "id" in table.c:
        return str(row[table.c.id]), project, owner
    if "scope" in table.c:  # `project@…` of cached answers
        project = str(row[table.c.scope]).partition("@")[0]
    first = next(iter(table.primary_key.columns))
    return str(owner[1] if owner else row[first]), project, owner


def _project_of(session: Session, owner: tuple[str, str] | None) -> str | None:
    if owner is None:
        return None
    table = Model.metadata.tables[owner[0]]
    return session.scalar(select(table.c.project_id).where(table.c.id == owner[1]))
