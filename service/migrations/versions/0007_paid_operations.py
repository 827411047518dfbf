"""One sweep polls tunings and batches; a 404 at one poll is no end, and each has a deadline."""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = UtcDateTime(timezone=True)
_BOTH = ("deadline_at", "missing_since")
_OF_BATCHES = ("next_poll_at", "polled_at", "collected_at")
# Deadlines of what runs during the upgrade: the default of tunings, and the longest that Google
# lets a batch take.
_HOURS = {"tuning_run": 72, "batch_run": 97}


def upgrade() -> None:
    for table in _HOURS:
        for name in _BOTH:
            op.add_column(table, sa.Column(name, _TIME, nullable=True))
    _extend_batches()
    for table, hours in _HOURS.items():
        _set_deadlines(table, timedelta(hours=hours))


def _extend_batches() -> None:
    for name in _OF_BATCHES:
        op.add_column("batch_run", sa.Column(name, _TIME, nullable=True))
    op.add_column("batch_run", sa.Column("output_uri", sa.String(500), nullable=True))
    op.add_column("batch_run", sa.Column("job_id", sa.String(40), nullable=True))
    job = "SELECT job_id FROM evaluation WHERE evaluation.id = batch_run.evaluation_id"
    op.execute(f"UPDATE batch_run SET job_id = ({job}), collected_at = finished_at")
    op.execute("UPDATE batch_run SET next_poll_at = submitted_at WHERE state = 'accepted'")
    with op.batch_alter_table("batch_run") as table:
        table.alter_column("job_id", existing_type=sa.String(40), nullable=False)
        table.alter_column("provider_state", existing_type=sa.String(50), nullable=True)
        table.create_foreign_key("fk_batch_run_job_id_job", "job", ["job_id"], ["id"])
        table.create_unique_constraint("uq_batch_run_job_id", ["job_id"])
    op.create_index("ix_batch_run_next_poll_at", "batch_run", ["next_poll_at"])


def _set_deadlines(name: str, longest: timedelta) -> None:
    columns = [sa.column(column, _TIME) for column in ("submitted_at", "finished_at", "deadline_at")]
    table = sa.table(name, sa.column("job_id"), *columns)
    running = sa.select(table.c.job_id, table.c.submitted_at).where(
        table.c.submitted_at.is_not(None), table.c.finished_at.is_(None)
    )
    connection = op.get_bind()
    for row in connection.execute(running).all():
        values = {"deadline_at": row.submitted_at + longest}
        connection.execute(table.update().where(table.c.job_id == row.job_id).values(values))


def downgrade() -> None:
    op.drop_index("ix_batch_run_next_poll_at", "batch_run")
    op.execute("UPDATE batch_run SET provider_state = '' WHERE provider_state IS NULL")
    with op.batch_alter_table("batch_run") as table:
        table.drop_constraint("uq_batch_run_job_id", type_="unique")
        table.drop_constraint("fk_batch_run_job_id_job", type_="foreignkey")
        table.alter_column("provider_state", existing_type=sa.String(50), nullable=False)
        for column in ("job_id", "output_uri", *reversed(_OF_BATCHES)):
            table.drop_column(column)
    for table_name in reversed(_HOURS):
        for name in reversed(_BOTH):
            op.drop_column(table_name, name)
