"""Budgets and costs."""

import sqlalchemy as sa
from alembic import op

import service.database

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = service.database.UtcDateTime(timezone=True)
_UTC_DAY = {
    "postgresql": "UPDATE usage SET day = (created_at AT TIME ZONE 'UTC')::date",
    "sqlite": "UPDATE usage SET day = date(created_at)",
}


def upgrade() -> None:
    op.create_table(
        "budget",
        sa.Column("root_id", sa.String(40), nullable=False),
        sa.Column("limit_nano", sa.BigInteger(), nullable=False),
        sa.Column("drawn_nano", sa.BigInteger(), nullable=False),
        sa.Column("used_up_at", _TIME),
        sa.ForeignKeyConstraint(["root_id"], ["job.id"], name="fk_budget_root_id_job"),
        sa.PrimaryKeyConstraint("root_id", name="pk_budget"),
    )
    op.create_table(
        "reservation",
        sa.Column("holder_id", sa.String(40), nullable=False),
        sa.Column("root_id", sa.String(40), nullable=False),
        sa.Column("drawn_nano", sa.BigInteger(), nullable=False),
        sa.Column("spent_nano", sa.BigInteger(), nullable=False),
        sa.Column("ahead_nano", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["holder_id"], ["job.id"], name="fk_reservation_holder_id_job"),
        sa.ForeignKeyConstraint(
            ["root_id"], ["budget.root_id"], name="fk_reservation_root_id_budget"
        ),
        sa.PrimaryKeyConstraint("holder_id", name="pk_reservation"),
    )
    op.create_index("ix_reservation_root_id", "reservation", ["root_id"])
    op.add_column("prediction", sa.Column("cost_nano", sa.BigInteger()))
    _widen_usage()


def _widen_usage() -> None:
    for name in ("thinking_tokens", "cached_tokens"):
        op.add_column("usage", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column(
        "usage", sa.Column("lane", sa.String(20), nullable=False, server_default="online")
    )
    op.add_column("usage", sa.Column("cost_nano", sa.BigInteger()))
    op.add_column("usage", sa.Column("day", sa.Date()))
    op.execute(_UTC_DAY[op.get_bind().dialect.name])
    with op.batch_alter_table("usage") as batch_op:
        batch_op.alter_column("day", existing_type=sa.Date(), nullable=False)
        batch_op.create_index("ix_usage_project_id_day", ["project_id", "day"])


def downgrade() -> None:
    with op.batch_alter_table("usage") as batch_op:
        batch_op.drop_index("ix_usage_project_id_day")
        for name in ("day", "cost_nano", "lane", "cached_tokens", "thinking_tokens"):
            batch_op.drop_column(name)
    op.drop_column("prediction", "cost_nano")
    op.drop_table("reservation")
    op.drop_table("budget")
