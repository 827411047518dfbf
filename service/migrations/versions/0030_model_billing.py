"""Plan and bill of a tuning, side by side."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    planned: sa.Column[object] = sa.Column("planned", Json, nullable=True)
    op.add_column("tuning_run", planned)
    billing: sa.Column[object] = sa.Column("billing", Json, nullable=True)
    op.add_column("model", billing)


def downgrade() -> None:
    op.drop_column("model", "billing")
    op.drop_column("tuning_run", "planned")
