"""Transactions: all or nothing, in UTC, and clear about a database that is away."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from service.clock import utc_now
from service.database import Sessions, open_sessions
from service.errors import Unavailable
from service.projects.models import Project


def add(sessions: Sessions, name: str, at: datetime) -> None:
    with sessions.transaction() as session:
        session.add(Project(id=f"proj_{name}", name=name, event_seq=0, created_at=at))


def test_an_error_rolls_everything_back(sessions: Sessions) -> None:
    def fail() -> None:
        with sessions.transaction() as session:
            session.add(Project(id="proj_a", name="a", event_seq=0, created_at=utc_now()))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with sessions.reading() as session:
        assert session.get(Project, "proj_a") is None


def test_times_come_back_in_utc(sessions: Sessions) -> None:
    there = datetime(2026, 11, 21, 10, tzinfo=timezone(timedelta(hours=5)))
    add(sessions, "a", there)
    with sessions.reading() as session:
        project = session.get_one(Project, "proj_a")
        assert project.created_at == there
        assert project.created_at.utcoffset() == timedelta()


def test_a_time_without_a_zone_is_refused(sessions: Sessions) -> None:
    with pytest.raises(Exception, match="without a zone"):
        add(sessions, "a", datetime(2026, 11, 21))  # noqa: DTZ001  the point of the test


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@/nothing?host=/nonexistent", "sqlite:////nonexistent.db/"]
)
def test_a_database_that_is_away_is_unavailable_and_its_words_are_kept_back(url: str) -> None:
    with pytest.raises((Unavailable, NotADirectoryError, FileExistsError)) as caught:
        opened = open_sessions(url)
        with opened.reading() as session:
            session.get(Project, "proj_secret")
    assert "secret" not in str(caught.value)


def test_a_sqlite_file_gets_its_folder(tmp_path: Path) -> None:
    opened = open_sessions(f"sqlite:///{tmp_path / 'deep' / 'er' / 'x.db'}")
    with opened.reading() as session:
        assert session.connection().exec_driver_sql("SELECT 1").scalar() == 1
    opened.close()
