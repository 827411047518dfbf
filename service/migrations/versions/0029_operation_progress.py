"""Operations that run show their progress; places that do not answer are left alone."""

import sqlalchemy as sa
from alembic import op

from service.database import Json, UtcDateTime

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TIME = UtcDateTime(timezone=True)
_TABLES = ("tuning_run", "batch_run")
_TIMES = ("progressed_at", "running_since", "unanswered_since")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("phase", sa.String(50), nullable=True))
        op.add_column(table, sa.Column("progress", Json, nullable=True))
        for name in _TIMES:
            op.add_column(table, sa.Column(name, _TIME, nullable=True))
    op.add_column("tuning_run", sa.Column("metrics_due_at", _TIME, nullable=True))
    op.create_index("ix_tuning_run_metrics_due_at", "tuning_run", ["metrics_due_at"])
    op.add_column("model", sa.Column("overfitting", Json, nullable=True))
    op.create_table(
        "provider_circuit",
        sa.Column("place", sa.String(100), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_provider_circuit")),
    )


def downgrade() -> None:
    op.drop_table("provider_circuit")
    op.drop_column("model", "overfitting")
    op.drop_index("ix_tuning_run_metrics_due_at", "tuning_run")
    op.drop_column("tuning_run", "metrics_due_at")
    for table in _TABLES:
        for name in (*_TIMES, "progress", "phase"):
            op.drop_column(table, name)
