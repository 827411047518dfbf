"""Datasets say what an answer may be; evaluations how they were done and what is odd about them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from service.database import Json

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS: dict[str, list[sa.Column[Any]]] = {
    "dataset": [sa.Column("answer_form", Json)],
    "evaluation": [
        sa.Column("setup", Json),
        sa.Column("findings", Json),
        sa.Column("confusion", Json),
    ],
    "score": [
        sa.Column("signature", sa.String(200)),
        sa.Column("caution", sa.String(500)),
        sa.Column("error", sa.String(500)),
    ],
    "prediction": [sa.Column("latency_ms", sa.Integer())],
    "variant": [sa.Column("base_model", sa.String(200))],
}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, column)


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)  # SQLite can, without copying the table
