"""Lines before a provider's quota of operations at once, and doubts whether one was sent twice."""

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TABLES = ("tuning_run", "batch_run")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("line", sa.String(50), nullable=True))
        sends = sa.Column("sends", sa.Integer(), nullable=False, server_default="0")
        op.add_column(table, sends)
        op.add_column(
            table, sa.Column("reconcile_at", UtcDateTime(timezone=True), nullable=True)
        )
        op.create_index(f"ix_{table}_reconcile_at", table, ["reconcile_at"])


def downgrade() -> None:
    for table in _TABLES:
        op.drop_index(f"ix_{table}_reconcile_at", table_name=table)
        for name in ("reconcile_at", "sends", "line"):
            op.drop_column(table, name)
