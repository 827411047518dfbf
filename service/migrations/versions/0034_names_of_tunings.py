"""Projects say which service accounts and keys of Cloud KMS their tunings may name."""

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_LISTS = ("tuning_service_accounts", "kms_keys")


def upgrade() -> None:
    for name in _LISTS:
        op.add_column("project", sa.Column(name, Json, nullable=False, server_default="[]"))
        # Administrators of the installation could name all before, and still can.
        op.execute(f"UPDATE project SET {name} = '[\"*\"]' WHERE name = 'default'")


def downgrade() -> None:
    for name in reversed(_LISTS):
        op.drop_column("project", name)
