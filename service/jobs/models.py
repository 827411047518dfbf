"""Rows of jobs and of the idempotency keys that made them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Job(Model):
    """Queued work. The row is the truth and its own outbox (`queued`, `dispatched_at`).

    `lease_owner` is the token of the run that may write; `next_run_at` is when a waiting job
    wakes; `waits_for` is the job whose output it needs.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_project_id_id", "project_id", "id"),
        Index("ix_job_state_next_run_at", "state", "next_run_at"),
        Index("ix_job_parent_id", "parent_id"),
        Index("ix_job_waits_for", "waits_for"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("job.id"))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(20))
    spec: Mapped[dict[str, Any]]
    outputs: Mapped[dict[str, str]]
    labels: Mapped[dict[str, str]]
    progress: Mapped[dict[str, Any]]
    cost: Mapped[dict[str, Any]]
    error: Mapped[dict[str, Any] | None]
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    version: Mapped[int] = mapped_column(Integer, default=1)
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    next_run_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    waits_for: Mapped[str | None] = mapped_column(Id)
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class IdempotencyKey(Model):
    """`fingerprint` is the SHA-256 of path and canonical body of the first request."""

    __tablename__ = "idempotency_key"

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"))
    created_at: Mapped[datetime] = mapped_column(index=True)
