"""Rows of what deleted outputs have left outside the database, until that is erased, too."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class PendingErasure(Model):
    """A `Leftover` of a deleted output. It is written in the transaction that deletes the rows,
    so nothing is forgotten by a crash, and has no foreign keys: it outlives its project.
    """

    __tablename__ = "pending_erasure"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, index=True)
    output: Mapped[str] = mapped_column(Id)
    kind: Mapped[str] = mapped_column(String(20))
    target: Mapped[str] = mapped_column(String(500))
    provider: Mapped[str] = mapped_column(String(50), default="")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str | None] = mapped_column(String(100))
    due_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime]
