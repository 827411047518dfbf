"""Bring a database to the newest tables, and say whether it is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from service.database import Sessions, open_sessions


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(database_url: str) -> None:
    """Run the missing migrations; a second call changes nothing.

    All of them or none: raises RuntimeError when one has left a row that points nowhere.
    """
    sessions = open_sessions(database_url)
    try:
        with sessions.engine.connect() as connection, _foreign_keys_off(connection):
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _check_foreign_keys(connection)
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


def is_current(sessions: Sessions) -> bool:
    """Return whether the database has every migration."""
    with sessions.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current == ScriptDirectory.from_config(alembic_config()).get_current_head()
