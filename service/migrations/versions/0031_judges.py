"""Reports of judges by a rubric, and what people say of the same answers."""

import sqlalchemy as sa
from alembic import op

from service.database import Json, UtcDateTime

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_ID = sa.String(40)


def upgrade() -> None:
    op.add_column("evaluation", sa.Column("judge", Json))
    op.create_table(
        "human_verdict",
        sa.Column("evaluation_id", _ID, nullable=False),
        sa.Column("example_id", sa.String(64), nullable=False),
        sa.Column("rater", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["evaluation.id"],
            name=op.f("fk_human_verdict_evaluation_id_evaluation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "example_id", "rater", name=op.f("pk_human_verdict")
        ),
    )


def downgrade() -> None:
    op.drop_table("human_verdict")
    op.drop_column("evaluation", "judge")
