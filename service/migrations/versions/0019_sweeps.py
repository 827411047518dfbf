"""A variant keeps the hyperparameters of its tuning, and which replicate it is."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    hyperparameters: sa.Column[object] = sa.Column("hyperparameters", Json, nullable=True)
    op.add_column("variant", hyperparameters)
    replicate = sa.Column("replicate", sa.Integer, nullable=False, server_default="0")
    op.add_column("variant", replicate)


def downgrade() -> None:
    op.drop_column("variant", "replicate")  # in place: SQLite would copy the table
    op.drop_column("variant", "hyperparameters")
