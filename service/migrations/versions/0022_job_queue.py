"""A job names the queue whose workers run it."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_QUEUES = {"draft": "prepare", "ask": "evaluate"}  # others: as the kind


def upgrade() -> None:
    op.add_column("job", sa.Column("queue", sa.String(20), nullable=False, server_default=""))
    job = sa.table("job", sa.column("kind", sa.String), sa.column("queue", sa.String))
    queue = sa.case(_QUEUES, value=job.c.kind, else_=job.c.kind)
    op.execute(job.update().values(queue=queue))


def downgrade() -> None:
    op.drop_column("job", "queue")  # in place: other tables refer to this one
