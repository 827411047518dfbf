"""Remembered responses and batch predictions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import service.database

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TIME = service.database.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "response_cache",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("finish_reason", sa.String(50), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("usage", _JSON, nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "scope", name="pk_response_cache"),
    )
    op.create_index("ix_response_cache_expires_at", "response_cache", ["expires_at"])
    op.add_column(
        "prediction",
        sa.Column("cached", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("evaluation", sa.Column("lane", sa.String(10), nullable=True))
    op.add_column("evaluation", sa.Column("lane_reason", sa.String(500), nullable=True))
    op.create_table(
        "batch_run",
        sa.Column("evaluation_id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(30), nullable=False),
        sa.Column("provider_state", sa.String(50), nullable=False),
        sa.Column("resource_name", sa.String(500), nullable=True),
        sa.Column("input_key", sa.String(200), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("intended_at", _TIME, nullable=False),
        sa.Column("submitted_at", _TIME, nullable=True),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["evaluation.id"],
            name="fk_batch_run_evaluation_id_evaluation",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("evaluation_id", name="pk_batch_run"),
    )


def downgrade() -> None:
    op.drop_table("batch_run")
    op.drop_column("evaluation", "lane_reason")
    op.drop_column("evaluation", "lane")
    op.drop_column("prediction", "cached")
    op.drop_table("response_cache")
