"""All rows of one database, to be written into others: what takes long is made once for many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from service.database import Model, Sessions


@dataclass(frozen=True)
class StoredRows:
    """Rows by table, those that others point at first; the kind of database does not matter."""

    rows: Mapping[Table, list[dict[str, Any]]]

    def write(self, sessions: Sessions) -> None:
        """Write them, with their ids, into a database that has none of them."""
        with sessions.transaction() as session:
            for table, rows in self.rows.items():
                session.execute(table.insert(), rows)


def read_rows(sessions: Sessions) -> StoredRows:
    with sessions.reading() as session:
        found = {
            table: [dict(row) for row in session.execute(table.select()).mappings()]
            for table in Model.metadata.sorted_tables
        }
    return StoredRows({table: rows for table, rows in found.items() if rows})
