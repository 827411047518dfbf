"""The service account as which a project's jobs call Google."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("service_account", sa.String(200), nullable=True))


def downgrade() -> None:
    op.drop_column("project", "service_account")
