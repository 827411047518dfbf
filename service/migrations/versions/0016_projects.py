"""Projects say what of others they may read, and what limits them."""

import sqlalchemy as sa
from alembic import op

from service.database import Json, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_LISTS = ("buckets", "hub_datasets", "tunings")
_NOTHING = {**dict.fromkeys(_LISTS, "[]"), "limits": "{}"}


def upgrade() -> None:
    for name, empty in _NOTHING.items():
        op.add_column("project", sa.Column(name, Json, nullable=False, server_default=empty))
    op.add_column("project", sa.Column("erasing_at", UtcDateTime(timezone=True), nullable=True))
    # Administrators of the installation could read all before, and still can.
    for name in _LISTS:
        op.execute(f"UPDATE project SET {name} = '[\"*\"]' WHERE name = 'default'")


def downgrade() -> None:
    for name in ("erasing_at", *reversed(_NOTHING)):
        op.drop_column("project", name)
