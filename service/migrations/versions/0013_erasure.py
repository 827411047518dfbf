"""What deletions leave outside the database; cached answers and usage know less of each other."""

import sqlalchemy as sa
from alembic import op

from service.database import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID, _TIME = sa.String(40), UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "pending_erasure",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("output", _ID, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("target", sa.String(500), nullable=False),
        sa.Column("provider", sa.String(50), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(100), nullable=True),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_erasure")),
    )
    op.create_index("ix_pending_erasure_due_at", "pending_erasure", ["due_at"])
    op.create_index("ix_pending_erasure_project_id", "pending_erasure", ["project_id"])
    op.add_column("response_cache", sa.Column("evaluation_id", _ID, nullable=True))
    op.create_index("ix_response_cache_evaluation_id", "response_cache", ["evaluation_id"])
    with op.batch_alter_table("usage") as table:
        table.alter_column("job_id", existing_type=_ID, nullable=True)
    _mark_attached()


def _mark_attached() -> None:
    attached: sa.Column[bool] = sa.Column("attached", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("tuning_run", attached)
    polls = "SELECT id FROM job WHERE kind = 'poll'"
    op.execute(f"UPDATE tuning_run SET attached = true WHERE job_id IN ({polls})")


def downgrade() -> None:
    op.drop_column("tuning_run", "attached")
    op.execute("DELETE FROM usage WHERE job_id IS NULL")
    with op.batch_alter_table("usage") as table:
        table.alter_column("job_id", existing_type=_ID, nullable=False)
    op.drop_index("ix_response_cache_evaluation_id", "response_cache")
    op.drop_column("response_cache", "evaluation_id")
    op.drop_table("pending_erasure")
