"""Datasets as they stand: one, a page, their rows, their files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from service.database import Session, Sessions
from service.datasets import repository
from service.datasets.examples import Example, Split, example_of
from service.datasets.models import Dataset
from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm
from service.datasets.presets.chat_forms import RowForm
from service.datasets.presets.pii import PII
from service.datasets.presets.sentiment import SENTIMENT
from service.datasets.presets.squad import SQUAD
from service.datasets.publishing.content import (
    Content,
    ContentFormat,
    RowFilter,
    StoredDataset,
    content_of,
    row_page,
)
from service.datasets.schemas import DatasetReport, DatasetRow
from service.errors import Conflict, Fault, Invalid, NotFound
from service.jobs.ports import InputNotReady
from service.jobs.queries import spec_of
from service.storage.ports import ObjectStore
from service.storage.table_subprocess import read_range_in_subprocess
from service.storage.tables import Range
from service.text import counted
from service.tokens import tokens_in


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A finished dataset, as other rooms see it. The first metric is the primary one.

    The mappings are JSON objects: `splits` of `SplitInfo`, `training_files` of `TuningRows` by
    train size as text, `report` of `DatasetReport`.
    """

    id: str
    job_id: str
    preset: str
    instruction: str
    metrics: tuple[str, ...]
    examples_key: str
    training_files: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, Mapping[str, Any]]
    fingerprint: str
    report: Mapping[str, Any]
    answer: AnswerForm = ANY_TEXT

    @property
    def train_sizes(self) -> tuple[int, ...]:
        """The train sizes that it was prepared with, smallest first."""
        return tuple(sorted(map(int, self.training_files)))

    @property
    def leaky(self) -> bool:
        """Whether held-out rows leak into training and the spec allowed it: scores must say so."""
        leakage = self.report.get("leakage") or {}
        return bool(leakage.get("allowed"))


def typical_tokens(dataset: DatasetView, column: str) -> int:
    """Return about how many tokens a `text` or `target` has: most are short, a few are long."""
    lengths: Mapping[str, Any] = (dataset.report.get("lengths") or {}).get(column) or {}
    median, long = int(lengths.get("p50") or 0), int(lengths.get("p95") or 0)
    return tokens_in(ceil((2 * median + long) / 3))


def instruction_tokens(dataset: DatasetView) -> int:
    return tokens_in(len(dataset.instruction))


def require_row(session: Session, dataset_id: str, project_id: str) -> Dataset:
    row = repository.find(session, dataset_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no dataset {dataset_id}", code="dataset_not_found")
    return row


def get_dataset(dataset_id: str, *, project_id: str, sessions: Sessions) -> Dataset:
    """Return a dataset of the project, ready or not; raises NotFound `dataset_not_found`."""
    with sessions.reading() as session:
        return require_row(session, dataset_id, project_id)


def list_datasets(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[Dataset]:
    """Return a page of datasets, newest first; `after` is the last id of the page before."""
    with sessions.reading() as session:
        return repository.page(session, project_id, after=after, limit=limit)


def ready_dataset(dataset_id: str, *, project_id: str, session: Session) -> DatasetView:
    """Return a finished dataset inside the caller's transaction.

    Raises NotFound `dataset_not_found`, and InputNotReady while its job is still to make it:
    the caller decides whether that job has failed.
    """
    row = require_row(session, dataset_id, project_id)
    if row.ready_at is None or row.examples_key is None or row.fingerprint is None:
        raise InputNotReady(row.job_id)
    return DatasetView(
        id=row.id,
        job_id=row.job_id,
        preset=row.preset,
        instruction=row.instruction,
        metrics=tuple(row.metrics),
        examples_key=row.examples_key,
        training_files=row.training_files,
        splits=row.splits,
        fingerprint=row.fingerprint,
        report=row.report,
        answer=_answer_form(row),
    )


def _answer_form(row: Dataset) -> AnswerForm:
    """Return what an answer may be; of a dataset that does not say, what its preset always says."""
    if row.answer_form is not None:
        return AnswerForm.from_json(row.answer_form)
    fixed = (PII, SQUAD, SENTIMENT)
    return next((each.answer for each in fixed if each.name == row.preset), ANY_TEXT)


def answer_form_of(session: Session, dataset_id: str, *, project_id: str) -> AnswerForm:
    """Return what an answer may be, of a dataset that may be still to be made; raises NotFound."""
    return _answer_form(require_row(session, dataset_id, project_id))


def require_dataset(
    session: Session, dataset_id: str, *, project_id: str, pointer: str = "/spec/dataset"
) -> Dataset:
    """Return a dataset that is there, reserved or ready; raises NotFound `input_not_found`."""
    row = repository.find(session, dataset_id, project_id=project_id)
    if row is None:
        message = f"no dataset {dataset_id}"
        fault = Fault(pointer, "input_not_found", message)
        raise NotFound(message, code="input_not_found", faults=[fault])
    return row


def require_train_sizes(
    session: Session, dataset_id: str, sizes: Mapping[str, int], *, project_id: str
) -> None:
    """Check that a dataset has, or will have, training files of these sizes, by their pointers.

    Raises Invalid `unknown_train_size`, and what `require_dataset` raises.
    """
    row = require_dataset(session, dataset_id, project_id=project_id)
    known = _train_sizes(session, row)
    there = ", ".join(map(str, known))
    faults = [
        Fault(
            pointer,
            "unknown_train_size",
            f"{dataset_id} has no training file of {counted(size, 'row')}; it has: {there}",
        )
        for pointer, size in sizes.items()
        if size not in known
    ]
    if faults:
        raise Invalid(faults[0].message, code="unknown_train_size", faults=faults)


def require_pairs(session: Session, dataset_id: str, *, project_id: str, pointer: str) -> None:
    """Check that a dataset has, or will have, a rejected answer beside each chosen one.

    Raises Invalid `pairs_required`, and what `require_dataset` raises.
    """
    row = require_dataset(session, dataset_id, project_id=project_id)
    if row.ready_at is None:
        has_pairs = spec_of(session, row.job_id).get("form") == RowForm.PREFERENCE
    else:
        has_pairs = _has_pairs(row)
    if not has_pairs:
        message = (
            f"{dataset_id} has no pairs of a chosen and a rejected answer: prepare one with "
            "`form`: preference, or tune by `method`: supervised"
        )
        fault = Fault(pointer, "pairs_required", message)
        raise Invalid(message, code="pairs_required", faults=[fault])


def _has_pairs(row: Dataset) -> bool:
    return any(each.get("pairs") for each in row.training_files.values())


def _train_sizes(session: Session, row: Dataset) -> list[int]:
    """Return the sizes that a dataset was prepared with, or those that its job is asked for."""
    if row.ready_at is not None:
        return sorted(map(int, row.training_files))
    return sorted(map(int, spec_of(session, row.job_id).get("train_sizes", ())))


def validation_rows(session: Session, dataset_id: str, *, project_id: str) -> int | None:
    """Return how many validation rows a dataset has; None while it is still to be made."""
    row = require_dataset(session, dataset_id, project_id=project_id)
    if row.ready_at is None:
        return None
    return int((row.splits.get(Split.VALIDATION.value) or {}).get("rows") or 0)


def stream_examples(
    examples_key: str,
    split: Split,
    *,
    first: int = 0,
    last: int | None = None,
    store: ObjectStore,
) -> Iterator[Example]:
    """Yield the examples of a split from position `first` to before `last`, in stored order.

    Holds few of them at a time. Raises NotFound `object_not_found`, Unavailable.
    """
    rows = Range("split", split.value, order="position", first=first, last=last)
    with store.open(examples_key) as stream:
        yield from map(example_of, read_range_in_subprocess(stream, rows))


def list_rows(
    dataset_id: str,
    *,
    project_id: str,
    split: Split | None,
    row_filter: RowFilter = RowFilter(),  # noqa: B008  a frozen value
    after: str | None,
    limit: int,
    sessions: Sessions,
    store: ObjectStore,
) -> list[DatasetRow]:
    """Return up to `limit` rows in stored order, those that follow the row with the id `after`.

    Raises NotFound `dataset_not_found`, Conflict `not_ready`, Unavailable.
    """
    key = examples_key_of(dataset_id, project_id=project_id, sessions=sessions)
    return row_page(key, split=split, row_filter=row_filter, after=after, limit=limit, store=store)


def dataset_report(dataset_id: str, *, project_id: str, sessions: Sessions) -> DatasetReport:
    """Return what the preparation found; raises NotFound, Conflict `not_ready`."""
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    if row.ready_at is None:
        raise Conflict(f"{dataset_id} is still to be made by its job", code="not_ready")
    return DatasetReport.model_validate(row.report)


def dataset_content(
    dataset_id: str,
    content_format: ContentFormat,
    *,
    project_id: str,
    split: Split | None = None,
    sessions: Sessions,
    store: ObjectStore,
) -> Content:
    """Return the rows of a split, or of all, as one file.

    Raises NotFound `dataset_not_found`, Conflict `not_ready`, Unavailable, and what `content_of`
    raises.
    """
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    stored = StoredDataset(_ready_key(row), dataset_id, row.instruction, _has_pairs(row))
    return content_of(stored, content_format, split=split, store=store)


def examples_key_of(dataset_id: str, *, project_id: str, sessions: Sessions) -> str:
    """Return the key of the dataset's Parquet file; raises NotFound, Conflict `not_ready`."""
    return _ready_key(get_dataset(dataset_id, project_id=project_id, sessions=sessions))


def _ready_key(row: Dataset) -> str:
    if row.ready_at is None or row.examples_key is None:
        raise Conflict(f"{row.id} is still to be made by its job", code="not_ready")
    return row.examples_key
