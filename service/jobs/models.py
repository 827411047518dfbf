"""Rows of jobs, of the keys that made them, and of the money they may spend."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, false
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


def _own_id(context: DefaultExecutionContext) -> Any:
    return context.get_current_parameters()["id"]  # type: ignore[no-untyped-call]  # SQLAlchemy's


class Job(Model):
    """Queued work. The row is the truth and its own outbox (`queued`, `dispatched_at`).

    `lease_owner` is the token of the run that may write; `next_run_at` is when a waiting job
    wakes; `waits_for` is the job whose output it needs. `root_id` is the job that a user
    submitted, its own id for that job itself. A job that `is_shard` does part of its
    parent's own work. Of queued jobs the one with the lowest `priority` goes first. `queue` names
    the workers that run it.

    `attempts_without_progress` counts the claims in a row that got no further than `done_before`.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_project_id_id", "project_id", "id"),
        Index("ix_job_state_next_run_at", "state", "next_run_at"),
        Index("ix_job_parent_id", "parent_id"),
        Index("ix_job_root_id", "root_id"),
        Index("ix_job_waits_for", "waits_for"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("job.id"))
    root_id: Mapped[str] = mapped_column(Id, default=_own_id)
    kind: Mapped[str] = mapped_column(String(20))
    queue: Mapped[str] = mapped_column(String(20), default="", server_default="")
    is_shard: Mapped[bool] = mapped_column("is_part", Boolean, default=False)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(20))
    spec: Mapped[dict[str, Any]]
    outputs: Mapped[dict[str, str]]
    labels: Mapped[dict[str, str]]
    progress: Mapped[dict[str, Any]]
    cost: Mapped[dict[str, Any]]
    error: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    attempts_without_progress: Mapped[int] = mapped_column("fruitless_claims", Integer, default=0)
    done_before: Mapped[int] = mapped_column(Integer, default=0)
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
    """`fingerprint` is the SHA-256 of the first request; see `operations.fingerprint_of`."""

    __tablename__ = "idempotency_key"

    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"))
    created_at: Mapped[datetime] = mapped_column(index=True)


class Budget(Model):
    """What a submitted job may spend with all its children, in nano-dollars.

    `drawn_nano` is the sum over its reservations; `used_up_at` is set by the first refusal.
    """

    __tablename__ = "budget"

    root_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), primary_key=True)
    limit_nano: Mapped[int] = mapped_column(BigInteger)
    drawn_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    used_up_at: Mapped[datetime | None]


class Reservation(Model):
    """What one job of a tree holds of the tree's budget, in nano-dollars.

    `drawn_nano` counts all it ever took, `spent_nano` the part that was paid; `ahead_nano` is
    the part that stays taken while the job waits for its provider.
    """

    __tablename__ = "reservation"

    holder_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), primary_key=True)
    root_id: Mapped[str] = mapped_column(Id, ForeignKey("budget.root_id"), index=True)
    drawn_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_nano: Mapped[int] = mapped_column(BigInteger, default=0)
    ahead_nano: Mapped[int] = mapped_column(BigInteger, default=0)


class PaidOperationRow:
    """Columns of the record of one operation at a provider; each kind of operation has a table.

    The row is written before the provider is called (the intent). `resource_name` is set once the
    provider's answer, or a search by label, has named it; `state` is an `OperationState`;
    `next_poll_at` is when the sweep asks again, and None before the operation is accepted and
    once its job was woken. `missing_since` is the first of the latest polls in a row that found
    nothing, `unanswered_since` the first of those that its location did not answer; after
    `deadline_at` the operation is asked to stop. `phase` and `progress` (done, total, unit) are
    as last reported, `progressed_at` is when `done` last rose.

    `line` names the quota of operations at once that it takes part of, if any; `sends` counts how
    often the request was sent or was about to be; at `reconcile_at` the sweep looks for operations
    of its label that it does not own, None where no doubt ever arose. An operation that was adopted
    when its input had been deleted already (`input_removed`) is sent again if it failed for that.
    """

    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), unique=True)
    state: Mapped[str] = mapped_column(String(30))
    provider_state: Mapped[str | None] = mapped_column(String(50))
    resource_name: Mapped[str | None] = mapped_column(String(500))
    intended_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    phase: Mapped[str | None] = mapped_column(String(50))
    progress: Mapped[dict[str, Any] | None]
    progressed_at: Mapped[datetime | None]
    running_since: Mapped[datetime | None]
    next_poll_at: Mapped[datetime | None] = mapped_column(index=True)
    polled_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]
    unanswered_since: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    line: Mapped[str | None] = mapped_column(String(50))
    sends: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    reconcile_at: Mapped[datetime | None] = mapped_column(index=True)
    input_removed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())

    @property
    def is_unread(self) -> bool:
        """Return whether it failed without a sign of having read its input: nothing was done."""
        return False

    def begin(self, now: datetime) -> None:
        """Note that the provider has begun to work on the operation, in columns of its table."""

    def record(self, *, result: Mapping[str, Any], error: Mapping[str, Any] | None) -> None:
        """Keep how the operation ended, in columns of its table; `error` has a `message`, and
        a `kind` where it is no word of the provider.
        """


class ProviderCircuit(Model):
    """A place of a provider that did not answer: `failures` in a row, and no call before
    `open_until`. A place that answers has no row.
    """

    __tablename__ = "provider_circuit"

    place: Mapped[str] = mapped_column(String(100), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    open_until: Mapped[datetime | None]
