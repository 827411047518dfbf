"""Fixtures every test may use: migrated databases of both kinds."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from service.database import Sessions, open_sessions
from service.migrations.upgrade import upgrade
from tests.support.compiled_sql import share_compiled_sql
from tests.support.postgres import PostgresServer, start_postgres

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile(
    "busy", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("busy")
_YOUNG_OBJECTS = 50_000
share_compiled_sql()
# As the stack and the containers run; NumPy is not imported yet.
pytest.MonkeyPatch().setenv("OPENBLAS_NUM_THREADS", "1")
# Keeps Google's libraries from asking the network for a machine's own credentials.
pytest.MonkeyPatch().setenv("NO_GCE_CHECK", "true")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among what stays: each process would spend 4 of its 10 seconds on it.

    And seldom after that: at Python's 700 new objects the tests spend a tenth of their computing on
    looking.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with journeys first: a long file that starts last keeps only one core busy."""
    long_files = {item.path for item in items if item.get_closest_marker("journey")}
    items.sort(key=lambda item: item.path not in long_files)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One private PostgreSQL server a test session, on a unix socket."""
    with start_postgres() as server:
        upgrade(server.template_url)
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SQLite file with every table, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    upgrade(f"sqlite:///{file}")
    empty = file.read_bytes()
    yield file
    assert file.read_bytes() == empty, "a test wrote to the file that others copy"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty, migrated database; a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.empty_database() as url:
        yield url


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    opened = open_sessions(database_url)
    yield opened
    opened.close()
