"""Shards of evaluations."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite adds a column without rebuilding its table only when it has a constant default.
    for column in _of_job():
        op.add_column("job", column)
    # Until now only experiments had children, and these had none.
    op.execute("UPDATE job SET root_id = COALESCE(parent_id, id)")
    op.create_index("ix_job_root_id", "job", ["root_id"])
    samples = sa.Column("samples", sa.Integer(), nullable=False, server_default="1")
    op.add_column("evaluation", samples)


def downgrade() -> None:
    op.drop_column("evaluation", "samples")
    op.drop_index("ix_job_root_id", table_name="job")
    for column in reversed(_of_job()):
        op.drop_column("job", column.name)


def _of_job() -> list[sa.Column[Any]]:
    return [
        sa.Column("root_id", sa.String(length=40), nullable=False, server_default=""),
        sa.Column("is_part", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("fruitless_claims", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("done_before", sa.Integer(), nullable=False, server_default="0"),
    ]
