"""Operations at a provider have a deadline, and are not given up at the first 404."""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = UtcDateTime(timezone=True)
_TUNING = timedelta(hours=72)  # the default deadline, for tunings that run during the upgrade


def upgrade() -> None:
    for name in ("deadline_at", "missing_since"):
        op.add_column("tuning_run", sa.Column(name, _TIME, nullable=True))
    _set_deadlines()


def _set_deadlines() -> None:
    tuning = sa.table(
        "tuning_run",
        sa.column("id"),
        sa.column("submitted_at", _TIME),
        sa.column("finished_at", _TIME),
        sa.column("deadline_at", _TIME),
    )
    running = sa.select(tuning.c.id, tuning.c.submitted_at).where(
        tuning.c.submitted_at.is_not(None), tuning.c.finished_at.is_(None)
    )
    connection = op.get_bind()
    for row in connection.execute(running).all():
        deadline = row.submitted_at + _TUNING
        connection.execute(
            tuning.update().where(tuning.c.id == row.id).values(deadline_at=deadline)
        )


def downgrade() -> None:
    for name in ("missing_since", "deadline_at"):
        op.drop_column("tuning_run", name)
