"""A batch's record says where it runs: strays of one without a name are looked for there."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batch_run", sa.Column("location", sa.String(50), nullable=True))


def downgrade() -> None:
    op.drop_column("batch_run", "location")
