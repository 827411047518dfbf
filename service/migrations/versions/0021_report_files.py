"""Experiments have a name, and files of their report."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_COLUMNS = ("name", "archive_key", "files")


def upgrade() -> None:
    op.add_column("experiment", sa.Column("name", sa.String(120)))
    op.add_column("experiment", sa.Column("archive_key", sa.String(200)))
    op.add_column("experiment", sa.Column("files", Json))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("experiment", name)
