"""Log-probabilities of answers, judgements of answers by a model, and what confidence is worth."""

import sqlalchemy as sa
from alembic import op

from service.database import Json, UtcDateTime

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_ANSWERS = ("prediction", "response_cache")
_ID = sa.String(40)


def upgrade() -> None:
    for table in _ANSWERS:
        logprob: sa.Column[float] = sa.Column("logprob", sa.Float())
        op.add_column(table, logprob)
    op.add_column("evaluation", sa.Column("confidence", Json))
    op.create_table(
        "judgement",
        sa.Column("evaluation_id", _ID, nullable=False),
        sa.Column("judge", sa.String(20), nullable=False),
        sa.Column("example_id", sa.String(64), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=True),
        sa.Column("cached", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("finish_reason", sa.String(50), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("usage", Json, nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("uncounted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("logprob", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["evaluation.id"],
            name=op.f("fk_judgement_evaluation_id_evaluation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "evaluation_id", "judge", "example_id", "sample", name=op.f("pk_judgement")
        ),
    )


def downgrade() -> None:
    op.drop_table("judgement")
    op.drop_column("evaluation", "confidence")
    for table in _ANSWERS:
        op.drop_column(table, "logprob")
