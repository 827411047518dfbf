"""Rows of projects and their API keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Project(Model):
    """`event_seq` is the number of the project's last event: the row lock that hands it out
    makes event numbers gap-free and visible in order. `buckets`, `hub_datasets`, `tunings`,
    `tuning_service_accounts` and `kms_keys` are patterns of what it may use of others (`access`);
    `limits` is a `ProjectLimits`. Its jobs call Google as `service_account`, if there is one. From
    `erasing_at` on its keys open nothing.
    """

    __tablename__ = "project"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    event_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    buckets: Mapped[list[Any]] = mapped_column(default=list)
    hub_datasets: Mapped[list[Any]] = mapped_column(default=list)
    tunings: Mapped[list[Any]] = mapped_column(default=list)
    tuning_service_accounts: Mapped[list[Any]] = mapped_column(default=list)
    kms_keys: Mapped[list[Any]] = mapped_column(default=list)
    limits: Mapped[dict[str, Any]] = mapped_column(default=dict)
    service_account: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    erasing_at: Mapped[datetime | None]


class ApiKey(Model):
    """Only the SHA-256 of the secret is stored; its 256 bits need no slow hash."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    public_part: Mapped[str] = mapped_column(String(10), unique=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditEntry(Model):
    """Who did what: rows are added and, once they are old, deleted; a trigger refuses changes.

    It has no foreign keys: it outlives the project and the key it is about.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str | None] = mapped_column(Id)
    key_id: Mapped[str | None] = mapped_column(Id)
    address: Mapped[str | None] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(index=True)
