"""Training curves: the points of each series of a training."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "training_metric",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("series", sa.String(30), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
            name=op.f("fk_training_metric_job_id_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "series", "step", name=op.f("pk_training_metric")),
    )


def downgrade() -> None:
    op.drop_table("training_metric")
