"""Scores say how many groups their rows come from."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("score") as table:
        table.add_column(sa.Column("groups", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("score") as table:
        table.drop_column("groups")
