"""Rows of experiments and their variants."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Experiment(Model):
    """Reserved when its job is submitted; complete once `ready_at` is set.

    The object at `archive_key` holds the plots and tables that `files` names.
    """

    __tablename__ = "experiment"
    __table_args__ = (Index("ix_experiment_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str | None] = mapped_column(String(120))
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(Id, ForeignKey("dataset.id"))
    base_model: Mapped[str] = mapped_column(String(200))
    metric: Mapped[str | None] = mapped_column(String(50))
    answer: Mapped[str | None] = mapped_column(Text)
    verdict: Mapped[str | None] = mapped_column(String(50))
    curve: Mapped[dict[str, Any]] = mapped_column(default=dict)
    report_key: Mapped[str | None] = mapped_column(String(200))
    table_key: Mapped[str | None] = mapped_column(String(200))
    archive_key: Mapped[str | None] = mapped_column(String(200))
    files: Mapped[list[Any] | None]
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False)
    unlisted_model: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]


class VariantRow(Model):
    """One way of using a model: prompted, or tuned on so many examples.

    `base_model` is None where it is the experiment's own; `hyperparameters` are those that its
    tuning was asked for, None in rows of earlier versions; a `replicate` above 0 is tuned again.
    """

    __tablename__ = "variant"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    experiment_id: Mapped[str] = mapped_column(
        Id, ForeignKey("experiment.id", ondelete="CASCADE"), index=True
    )
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    base_model: Mapped[str | None] = mapped_column(String(200))
    shots: Mapped[int] = mapped_column(Integer, default=0)
    train_size: Mapped[int | None] = mapped_column(Integer)
    hyperparameters: Mapped[dict[str, Any] | None]
    replicate: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    model_id: Mapped[str | None] = mapped_column(Id, ForeignKey("model.id"))
    tune_job_id: Mapped[str | None] = mapped_column(Id, ForeignKey("job.id"))
    evaluation_id: Mapped[str] = mapped_column(Id, ForeignKey("evaluation.id"))
    evaluate_job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"))
