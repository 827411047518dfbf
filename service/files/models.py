"""Rows of uploaded files; their bytes lie in the object store."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Id, Model


class File(Model):
    """`size_bytes` and `sha256` are those of the bytes as kept, which are expanded; those as sent
    are None of files of older versions.
    """

    __tablename__ = "file"
    __table_args__ = (Index("ix_file_project_id_id", "project_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(255))
    format: Mapped[str] = mapped_column(String(20))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    sent_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sent_sha256: Mapped[str | None] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(200), index=True)
    created_at: Mapped[datetime]
