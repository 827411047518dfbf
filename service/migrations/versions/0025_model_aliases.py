"""Aliases of models with their moves, and the retirements that were told."""

import sqlalchemy as sa
from alembic import op

from service.database import Json, UtcDateTime

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_ID = sa.String(40)
_MOMENT = UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "model_alias",
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_model_alias_model_id_model")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_model_alias_project_id_project")
        ),
        sa.PrimaryKeyConstraint("name", "project_id", name=op.f("pk_model_alias")),
    )
    op.create_index(op.f("ix_model_alias_model_id"), "model_alias", ["model_id"])
    op.create_table(
        "model_alias_move",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("model_id", _ID, nullable=True),
        sa.Column("previous_id", _ID, nullable=True),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("comparison", Json, nullable=True),
        sa.Column("key_id", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_model_alias_move_project_id_project")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_alias_move")),
    )
    op.create_index(
        "ix_model_alias_move_project_id_name", "model_alias_move", ["project_id", "name"]
    )
    op.create_table(
        "told_retirement",
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("retires", sa.Date(), nullable=False),
        sa.Column("told_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
            name=op.f("fk_told_retirement_model_id_model"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_id", "retires", name=op.f("pk_told_retirement")),
    )


def downgrade() -> None:
    for name in ("told_retirement", "model_alias_move", "model_alias"):
        op.drop_table(name)
