"""An evaluation keeps which checkpoint it asked, and by which scores that was chosen."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evaluation", sa.Column("checkpoint", sa.String(40), nullable=True))
    checkpoints: sa.Column[object] = sa.Column("checkpoints", Json, nullable=True)
    op.add_column("evaluation", checkpoints)


def downgrade() -> None:
    op.drop_column("evaluation", "checkpoints")  # in place: other tables refer to this one
    op.drop_column("evaluation", "checkpoint")
