"""Rows of aliases, of their moves, and of retirements that were announced."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Alias(Model):
    """A name that stands for a model of a project; the model is not deleted while it does."""

    __tablename__ = "model_alias"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"), primary_key=True)
    model_id: Mapped[str] = mapped_column(Id, ForeignKey("model.id"), index=True)
    updated_at: Mapped[datetime]


class AliasMove(Model):
    """One move of an alias, kept when alias and models are gone.

    `model_id` is None where the alias was deleted, `previous_id` where it was new. `comparison` is
    a ModelComparison, None where nothing was compared.
    """

    __tablename__ = "model_alias_move"
    __table_args__ = (Index("ix_model_alias_move_project_id_name", "project_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(128))
    model_id: Mapped[str | None] = mapped_column(Id)
    previous_id: Mapped[str | None] = mapped_column(Id)
    forced: Mapped[bool] = mapped_column(Boolean, default=False)
    comparison: Mapped[dict[str, Any] | None]
    key_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime]


class AnnouncedRetirement(Model):
    """A model whose base model's retirement was announced by an event, and the date announced."""

    __tablename__ = "told_retirement"

    model_id: Mapped[str] = mapped_column(
        Id, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True
    )
    retires: Mapped[date] = mapped_column(Date, primary_key=True)
    announced_at: Mapped[datetime] = mapped_column("told_at")
