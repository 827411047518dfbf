"""A job keeps in short what it found out."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column: sa.Column[object] = sa.Column("result", Json, nullable=True)
    op.add_column("job", column)


def downgrade() -> None:
    op.drop_column("job", "result")  # in place: other tables refer to this one
