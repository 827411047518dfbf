"""SQL of datasets."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Text, cast, or_, select, update

from service.database import Session, delete_unless_used
from service.datasets.models import Dataset


def add(session: Session, row: Dataset) -> None:
    session.add(row)
    session.flush()


def find(session: Session, dataset_id: str, *, project_id: str) -> Dataset | None:
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.project_id == project_id)
    return session.scalar(query)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[Dataset]:
    """Return up to `limit` datasets, newest first; `after` is the last id of the page before."""
    query = (
        select(Dataset)
        .where(Dataset.project_id == project_id)
        .order_by(Dataset.id.desc())
        .limit(limit)
    )
    if after:
        query = query.where(Dataset.id < after)
    return list(session.scalars(query))


def fill(session: Session, dataset_id: str, **values: Any) -> None:
    session.execute(update(Dataset).where(Dataset.id == dataset_id).values(**values))


def remove(session: Session, dataset_id: str) -> list[str]:
    """Delete a dataset unless it is used; return what uses it."""
    return delete_unless_used(session, Dataset, dataset_id)


def unused(session: Session, keys: Iterable[str]) -> list[str]:
    """Return the keys that no dataset names: datasets with equal content share objects."""
    return [key for key in keys if not _is_named(session, key)]


def _is_named(session: Session, key: str) -> bool:
    named = or_(
        Dataset.examples_key == key,
        *(
            cast(column, Text).contains(key, autoescape=True)
            for column in (Dataset.training_files, Dataset.splits, Dataset.report)
        ),
    )
    return session.scalar(select(Dataset.id).where(named).limit(1)) is not None
