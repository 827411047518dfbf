"""How a model was tuned: its method, and the tuned model that its tuning went on from."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    method = sa.Column("method", sa.String(20), nullable=False, server_default="supervised")
    op.add_column("model", method)
    op.add_column("model", sa.Column("continued_from", sa.String(40), nullable=True))
    op.add_column("model", sa.Column("checkpoint", sa.String(50), nullable=True))


def downgrade() -> None:
    op.drop_column("model", "checkpoint")
    op.drop_column("model", "continued_from")
    op.drop_column("model", "method")
