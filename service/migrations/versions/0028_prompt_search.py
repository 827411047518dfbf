"""An evaluation keeps the prompt that a search has found, and those that it tried."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found: sa.Column[object] = sa.Column("prompt_search", Json, nullable=True)
    op.add_column("evaluation", found)


def downgrade() -> None:
    op.drop_column("evaluation", "prompt_search")  # in place: other tables refer to this one
