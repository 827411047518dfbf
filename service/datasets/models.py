"""Rows of datasets; their examples lie in the object store."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Dataset(Model):
    """Reserved when its job is submitted; complete once `ready_at` is set.

    `splits` maps a split to its rows; `training_files` maps a train size, as text, to the
    tuning file of exactly its first rows; `answer_form` is an AnswerForm, None for datasets made
    before there were any; `fingerprint` is the SHA-256 over all examples.
    """

    __tablename__ = "dataset"
    __table_args__ = (Index("ix_dataset_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), index=True)
    preset: Mapped[str] = mapped_column(String(50))
    instruction: Mapped[str] = mapped_column(Text, default="")
    metrics: Mapped[list[Any]] = mapped_column(default=list)
    answer_form: Mapped[dict[str, Any] | None]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    examples_key: Mapped[str | None] = mapped_column(String(200))
    splits: Mapped[dict[str, Any]] = mapped_column(default=dict)
    training_files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    schema_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
