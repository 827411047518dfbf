"""Quotas can be paused and retuned while jobs run, and hedged calls are counted."""

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quota_control",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("requests_per_minute", sa.Float(), nullable=True),
        sa.Column("tokens_per_minute", sa.Float(), nullable=True),
        sa.Column("in_flight", sa.Integer(), nullable=True),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
    )
    column: sa.Column[int] = sa.Column("hedged", sa.Integer(), nullable=False, server_default="0")
    op.add_column("usage", column)


def downgrade() -> None:
    with op.batch_alter_table("usage") as table:
        table.drop_column("hedged")
    op.drop_table("quota_control")
