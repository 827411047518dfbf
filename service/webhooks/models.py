"""Rows of events, webhook endpoints and deliveries."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Event(Model):
    """One thing that happened; `seq` counts without gaps inside a project.

    `job_id` has no foreign key: jobs stand above webhooks, and events outlive them.
    """

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_job_id_seq", "job_id", "seq"),)

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(Id, unique=True)
    type: Mapped[str] = mapped_column(String(50))
    job_id: Mapped[str | None] = mapped_column(Id)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Webhook(Model):
    """An endpoint. No secret is stored: it is derived from the master key and `generation`.

    Until `sending_until` an attempt is under way: one that hangs holds one worker, not all. Until
    `held_until` none begins: so its receiver has asked by `Retry-After`.
    """

    __tablename__ = "webhook"
    __table_args__ = (Index("ix_webhook_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    url: Mapped[str] = mapped_column(String(2000))
    event_types: Mapped[list[Any]]
    description: Mapped[str] = mapped_column(String(500), default="")
    state: Mapped[str] = mapped_column(String(20), default="enabled")
    generation: Mapped[int] = mapped_column(Integer, default=1)
    previous_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    sending_until: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Delivery(Model):
    """One event for one endpoint. `body` is serialised once, so every attempt signs the same."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_state_next_attempt_at", "state", "next_attempt_at"),
        Index("ix_delivery_webhook_id_id", "webhook_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    webhook_id: Mapped[str] = mapped_column(Id, ForeignKey("webhook.id", ondelete="CASCADE"))
    event_id: Mapped[str] = mapped_column(Id)
    event_type: Mapped[str] = mapped_column(String(50))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime | None]
    attempt_log: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]
