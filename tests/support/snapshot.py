"""Rows and objects that are made once, and copied into the database and store of each test."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert, select

from service.database import Model, Sessions


@dataclass(frozen=True)
class Snapshot:
    """All rows of a database, and the folder of a local store."""

    rows: Mapping[Table, Sequence[Mapping[str, Any]]]
    objects: Path

    def restore(self, sessions: Sessions, objects: Path) -> None:
        """Add the rows to a database, and the objects to the folder of a store."""
        with sessions.transaction() as session:
            for table, rows in self.rows.items():
                session.execute(insert(table), rows)
        shutil.copytree(self.objects, objects, dirs_exist_ok=True)


def take_snapshot(sessions: Sessions, objects: Path) -> Snapshot:
    """Read what there is. Numbers that a database counts up are not set where it is restored."""
    with sessions.reading() as session:
        found = {
            table: [dict(row) for row in session.execute(select(table)).mappings()]
            for table in Model.metadata.sorted_tables
        }
    return Snapshot({table: rows for table, rows in found.items() if rows}, objects)
