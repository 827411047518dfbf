"""Answers without counts of the provider are charged as estimated, and say so."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ANSWERS = ("prediction", "response_cache")


def upgrade() -> None:
    for table in _ANSWERS:
        column: sa.Column[bool] = sa.Column("uncounted", sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column(table, column)
    nano: sa.Column[int] = sa.Column("uncounted_nano", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("usage", nano)


def downgrade() -> None:
    op.drop_column("usage", "uncounted_nano")
    for table in _ANSWERS:
        op.drop_column(table, "uncounted")
