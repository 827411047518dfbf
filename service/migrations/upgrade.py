"""Bring a database to the newest tables, and say whether it is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from service.database import Sessions, open_sessions
from service.database_errors import error_of_disk, translated
from service.errors import Conflict, Unavailable
from service.migrations.column_statistics import keep_no_texts

_PROBE_BYTES = 64 << 10


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(database_url: str) -> None:
    """Run the missing migrations; a second call changes nothing.

    All of them or none: raises RuntimeError when one has left a row that points nowhere, and
    Conflict `database_newer` where a later version has been here.
    """
    sessions = open_sessions(database_url)
    try:
        if tables_version(sessions) is TablesVersion.NEWER:
            message = "the database was migrated by a later version of Tunecurve: install that one"
            raise Conflict(message, code="database_newer")
        with translated(), sessions.engine.connect() as connection, _foreign_keys_off(connection):
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _check_foreign_keys(connection)
            keep_no_texts(connection)
            connection.commit()
    finally:
        sessions.close()


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Let SQLite replace tables that others point to: it drops the old one with all its rows.

    The setting only takes outside a transaction (https://sqlite.org/lang_altertable.html, 7).
    """
    raw = connection.connection.dbapi_connection
    if raw is None or connection.dialect.name != "sqlite":
        yield
        return
    cursor = raw.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        connection.rollback()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        message = f"the migrations would leave a row of {lost[0]} that points to no {lost[2]}"
        raise RuntimeError(message)


class TablesVersion(StrEnum):
    """How the tables stand to this code: `newer` ones serve it, too, while a fleet is renewed."""

    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def tables_version(sessions: Sessions) -> TablesVersion:
    """Compare the tables with what this code was written for. Raises what `reading` raises."""
    with translated(), sessions.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    known = [each.revision for each in _scripts().walk_revisions()]
    if found is None or found in known[1:]:
        return TablesVersion.OLDER
    return TablesVersion.CURRENT if found == known[0] else TablesVersion.NEWER


def require_tables(sessions: Sessions) -> TablesVersion:
    """Return what `tables_version` does; raises Unavailable `migrations_missing` for older ones."""
    version = tables_version(sessions)
    if version is TablesVersion.OLDER:
        message = "the database lacks migrations: run `python -m api migrate`"
        raise Unavailable(message, code="migrations_missing")
    return version


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


def require_room(sessions: Sessions) -> None:
    """Write next to nothing, as a probe of a disk that is full or read-only.

    Raises what a transaction raises. SQLite's lock is left alone: the file's folder is tried.
    """
    file = sessions.engine.url.database
    if sessions.engine.dialect.name == "postgresql":
        with sessions.transaction() as session:
            session.execute(text("SET LOCAL lock_timeout = '1s'"))
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))
    elif file and file != ":memory:":
        _try_to_write(Path(file))


def _try_to_write(file: Path) -> None:
    try:
        with file.open("r+b"), NamedTemporaryFile(dir=file.parent) as probe:
            probe.write(bytes(_PROBE_BYTES))
    except OSError as error:
        raise error_of_disk(error) from error
