"""Rows of the cost ledger and of the response cache, and the columns of a stored answer."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model
from service.inference.ports import ERROR_LENGTH, FINISH_REASON_LENGTH


class AnswerColumns:
    """Mixin of a table whose rows hold a Generation: one column for each of its fields."""

    outcome: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(Text)
    finish_reason: Mapped[str] = mapped_column(String(FINISH_REASON_LENGTH), default="")
    error: Mapped[str] = mapped_column(String(ERROR_LENGTH), default="")
    prompt_tokens: Mapped[int] = mapped_column(Integer, default=0)
    output_tokens: Mapped[int] = mapped_column(Integer, default=0)
    usage: Mapped[dict[str, Any]] = mapped_column(default=dict)
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False)
    uncounted: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    logprob: Mapped[float | None] = mapped_column(Float)


class Usage(Model):
    """Tokens as the provider billed them; one row a flush of predictions or a tuning.

    Thinking tokens are part of the output's, cached ones of the prompt's. `cost_nano` counts
    nano-dollars and is None where no price is known; `uncounted_nano` is the part of it that we
    have estimated, as the provider gave no counts; `day` is the UTC day of `created_at`.
    `synthetic`: an emulator answered, and nothing is billed. An entry outlives its job,
    without its id.
    """

    __tablename__ = "usage"
    __table_args__ = (
        Index("ix_usage_project_id_created_at", "project_id", "created_at"),
        Index("ix_usage_project_id_day", "project_id", "day"),
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str | None] = mapped_column(Id, ForeignKey("job.id"), index=True)
    base_model: Mapped[str] = mapped_column(String(200))
    requests: Mapped[int] = mapped_column(Integer, default=0)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    training_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    thinking_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    hedged: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    lane: Mapped[str] = mapped_column(String(20), default="online")
    cost_nano: Mapped[int | None] = mapped_column(BigInteger)
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    uncounted_nano: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    day: Mapped[date] = mapped_column(Date)
    created_at: Mapped[datetime]


class QuotaControl(Model):
    """What was set for a quota while jobs run, over what the settings say; None leaves those.

    `key` is `location/base_model`; rates count per minute, `in_flight` calls of all workers.
    """

    __tablename__ = "quota_control"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    paused: Mapped[bool] = mapped_column(Boolean, default=False)
    requests_per_minute: Mapped[float | None] = mapped_column(Float)
    tokens_per_minute: Mapped[float | None] = mapped_column(Float)
    in_flight: Mapped[int | None] = mapped_column(Integer)
    updated_at: Mapped[datetime]


class CachedResponse(AnswerColumns, Model):
    """One answer, found by the hash of its request; `scope` says who may see it.

    `evaluation_id` is the evaluation it was asked for; that room stands above.
    """

    __tablename__ = "response_cache"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    scope: Mapped[str] = mapped_column(String(60), primary_key=True)
    evaluation_id: Mapped[str | None] = mapped_column(Id, index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
