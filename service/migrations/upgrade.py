"""Bring a database to the newest tables, and say whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.database import Sessions, open_sessions


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(database_url: str) -> None:
    """Run the missing migrations; a second call changes nothing."""
    sessions = open_sessions(database_url)
    try:
        with sessions.engine.connect() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        sessions.close()


def is_current(sessions: Sessions) -> bool:
    """Return whether the database has every migration."""
    with sessions.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current == ScriptDirectory.from_config(alembic_config()).get_current_head()
