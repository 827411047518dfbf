"""Rows of tuning runs and of the models that came of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class TuningRun(Model):
    """The domain's record of one tuning at a provider.

    The row is written before the provider is called (the intent). `resource_name` is set once
    the provider's answer, or a search by label, has told it; `state` is our own word for the
    provider's; `next_poll_at` is when the sweep asks again and is None once it is over.
    """

    __tablename__ = "tuning_run"
    __table_args__ = (Index("ix_tuning_run_next_poll_at", "next_poll_at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), unique=True)
    provider: Mapped[str] = mapped_column(String(50))
    resource_name: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(30), default="intended")
    provider_state: Mapped[str | None] = mapped_column(String(50))
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[dict[str, Any] | None]
    intended_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    next_poll_at: Mapped[datetime | None]
    polled_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class TunedModel(Model):
    """Reserved when its job is submitted; complete once `ready_at` is set."""

    __tablename__ = "model"
    __table_args__ = (Index("ix_model_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(Id, ForeignKey("dataset.id"))
    provider: Mapped[str] = mapped_column(String(50))
    base_model: Mapped[str] = mapped_column(String(200))
    train_size: Mapped[int | None] = mapped_column(Integer)
    hyperparameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    resource_name: Mapped[str | None] = mapped_column(String(500))
    endpoint: Mapped[str | None] = mapped_column(String(500))
    location: Mapped[str | None] = mapped_column(String(50))
    checkpoints: Mapped[list[Any]] = mapped_column(default=list)
    statistics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False)
    unlisted_model: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
