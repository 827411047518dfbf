"""The ledger says what an emulator answered, for which nobody is billed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Entries belong to the job of a model or an evaluation, or to a shard of the latter.
_SYNTHETIC = """
UPDATE usage SET synthetic = true WHERE job_id IN (
    SELECT job_id FROM model WHERE synthetic
    UNION SELECT job_id FROM evaluation WHERE synthetic
    UNION SELECT job.id FROM job JOIN evaluation ON evaluation.job_id = job.parent_id
    WHERE evaluation.synthetic
)
"""


def upgrade() -> None:
    column: sa.Column[bool] = sa.Column("synthetic", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("usage", column)
    op.execute(_SYNTHETIC)


def downgrade() -> None:
    with op.batch_alter_table("usage") as table:
        table.drop_column("synthetic")
