"""Webhooks know until when an attempt at them is under way."""

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("sending_until", UtcDateTime()))


def downgrade() -> None:
    op.drop_column("webhook", "sending_until")
