"""Rows of tuning runs and of the models that they made."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from service.catalogue.locations import location_of
from service.clock import utc_now
from service.database import Id, Model
from service.jobs.models import PaidOperationRow


class TuningRun(PaidOperationRow, Model):
    """The domain's record of one tuning at a provider; `id` is the label of its request.

    `planned` is what it was planned to use when it was sent (`billing.planned_use`).
    `fingerprint` says what was asked of it (`reuse.tuning_fingerprint`); an attached one has none.
    An `attached` one was started by others: it is followed, and never stopped or deleted.
    `metrics_due_at` is when its training curves are read next; None before it runs, and after
    the last time. `staged_in` is the folder of the copies of its rows that its requests name.
    """

    __tablename__ = "tuning_run"
    __table_args__ = (Index("ix_tuning_run_project_id_fingerprint", "project_id", "fingerprint"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    provider: Mapped[str] = mapped_column(String(50))
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[dict[str, Any] | None]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    planned: Mapped[dict[str, Any] | None]
    attached: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    metrics_due_at: Mapped[datetime | None] = mapped_column(index=True)
    staged_in: Mapped[str | None] = mapped_column(String(200))

    @property
    def is_unread(self) -> bool:
        """A provider counts the rows that it has read: one that failed without did nothing."""
        result, trained = self.result, (self.progress or {}).get("done")
        read = result.get("statistics") or result.get("model") or trained
        return self.provider_state == "JOB_STATE_FAILED" and not read

    def begin(self, now: datetime) -> None:
        self.metrics_due_at = now

    def record(self, *, result: Mapping[str, Any], error: Mapping[str, Any] | None) -> None:
        self.metrics_due_at = self.finished_at if self.resource_name else None
        self.result, self.error = dict(result), dict(error) if error else None


class TunedModel(Model):
    """Reserved when its job is submitted; complete once `ready_at` is set.

    `reused_from` is the job that paid for its tuning, where that was not its own; `overfitting` is
    what its training curves show (`overfitting.Overfitting`). A tuning that continued a tuned
    model names it in `continued_from`, with the `checkpoint` if not the last.
    """

    __tablename__ = "model"
    __table_args__ = (Index("ix_model_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(Id, ForeignKey("dataset.id"))
    provider: Mapped[str] = mapped_column(String(50))
    base_model: Mapped[str] = mapped_column(String(200))
    train_size: Mapped[int | None] = mapped_column(Integer)
    method: Mapped[str] = mapped_column(
        String(20), default="supervised", server_default="supervised"
    )
    continued_from: Mapped[str | None] = mapped_column(Id)
    checkpoint: Mapped[str | None] = mapped_column(String(50))
    hyperparameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    resource_name: Mapped[str | None] = mapped_column(String(500))
    endpoint: Mapped[str | None] = mapped_column(String(500))
    location: Mapped[str | None] = mapped_column(String(50))
    checkpoints: Mapped[list[Any]] = mapped_column(default=list)
    statistics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    billing: Mapped[dict[str, Any] | None]
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False)
    unlisted_model: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    reused_from: Mapped[str | None] = mapped_column(Id)
    overfitting: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]

    def keep_leftovers(self, result: Mapping[str, Any]) -> None:
        """Name what a tuning that has not succeeded left at its provider, where it is billed."""
        self.resource_name = result.get("model")
        self.endpoint = result.get("endpoint")
        self.location = location_of(self.endpoint or self.resource_name or "") or None
        self.checkpoints = result.get("checkpoints") or []

    def fill(self, result: Mapping[str, Any], *, synthetic: bool) -> None:
        """Write what a tuning has brought, of the fields of `ProviderTuning`; now it is ready."""
        self.base_model = self.base_model or result.get("base_model") or ""
        self.method = result.get("method") or self.method
        self.hyperparameters = {**(result.get("hyperparameters") or {}), **self.hyperparameters}
        self.resource_name = result.get("model")
        self.endpoint = result.get("endpoint")
        self.location = location_of(self.endpoint or "") or None
        self.checkpoints = result.get("checkpoints") or []
        self.statistics = result.get("statistics") or {}
        self.synthetic = synthetic
        self.ready_at = utc_now()


class TrainingMetric(Model):
    """One point of the training curves of the job that paid for a training (`MetricPoint`)."""

    __tablename__ = "training_metric"

    job_id: Mapped[str] = mapped_column(
        Id, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True
    )
    series: Mapped[str] = mapped_column(String(30), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[float] = mapped_column(Float)
