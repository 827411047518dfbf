"""Each attempt to send a paid operation works on a copy of its input."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_TABLES = ("tuning_run", "batch_run")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(
            table,
            sa.Column("input_removed", sa.Boolean(), nullable=False, server_default=sa.false()),
        )
    op.add_column("tuning_run", sa.Column("staged_in", sa.String(200), nullable=True))


def downgrade() -> None:
    op.drop_column("tuning_run", "staged_in")
    for table in _TABLES:
        op.drop_column(table, "input_removed")
