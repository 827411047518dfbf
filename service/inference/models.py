"""Rows of the cost ledger: what was used, by which job."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class Usage(Model):
    """Tokens as the provider billed them; one row a flush of predictions or a tuning."""

    __tablename__ = "usage"
    __table_args__ = (Index("ix_usage_project_id_created_at", "project_id", "created_at"),)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("job.id"), index=True)
    base_model: Mapped[str] = mapped_column(String(200))
    requests: Mapped[int] = mapped_column(Integer, default=0)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    training_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]
