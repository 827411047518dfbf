"""Scores say whether their dataset leaks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("score") as table:
        table.add_column(
            sa.Column("leaky", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    with op.batch_alter_table("score") as table:
        table.drop_column("leaky")
