"""A tuning says what it was asked for, so that an identical one is not paid for again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tuning_run", sa.Column("fingerprint", sa.String(64), nullable=True))
    op.create_index(
        "ix_tuning_run_project_id_fingerprint", "tuning_run", ["project_id", "fingerprint"]
    )
    op.add_column("model", sa.Column("reused_from", sa.String(40), nullable=True))


def downgrade() -> None:
    op.drop_column("model", "reused_from")
    op.drop_index("ix_tuning_run_project_id_fingerprint", "tuning_run")
    op.drop_column("tuning_run", "fingerprint")
