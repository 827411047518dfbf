"""A running stack on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, start_stack


@pytest.fixture
def stack(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Everything but the API, started."""
    with start_stack(tmp_path, database_url, monkeypatch) as started:
        started.start()
        yield started


@pytest.fixture
def sqlite_stack(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """The same on SQLite alone, for what the database does not decide."""
    file = tmp_path / "test.db"
    file.write_bytes(migrated_sqlite.read_bytes())
    with start_stack(tmp_path, f"sqlite:///{file}", monkeypatch) as started:
        started.start()
        yield started
