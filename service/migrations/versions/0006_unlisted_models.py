"""Results say when their base model was not in the catalogue, or retired."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("model", "evaluation", "experiment")


def upgrade() -> None:
    for name in TABLES:
        op.add_column(
            name,
            sa.Column("unlisted_model", sa.Boolean(), nullable=False, server_default=sa.false()),
        )


def downgrade() -> None:
    for name in TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_column("unlisted_model")
