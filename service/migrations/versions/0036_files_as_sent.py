"""Files keep size and digest of the bytes as sent, beside those of the expanded ones."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("file", sa.Column("sent_size_bytes", sa.BigInteger, nullable=True))
    op.add_column("file", sa.Column("sent_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("file", "sent_sha256")
    op.drop_column("file", "sent_size_bytes")
