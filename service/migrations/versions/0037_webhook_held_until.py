"""Webhooks keep until when a busy receiver has asked to be left alone."""

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("held_until", UtcDateTime()))


def downgrade() -> None:
    op.drop_column("webhook", "held_until")
