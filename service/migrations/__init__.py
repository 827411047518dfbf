"""Alembic migrations, run on SQLite and on PostgreSQL."""
