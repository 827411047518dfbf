"""Migrations build exactly the tables the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from service.database import Sessions
from service.migrations.tables import metadata
from service.migrations.upgrade import is_current


def test_migrations_build_what_the_models_describe(sessions: Sessions) -> None:
    with sessions.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_migrated_database_is_current(sessions: Sessions) -> None:
    assert is_current(sessions)
