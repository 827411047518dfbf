"""What can be done with datasets: reserve, prepare, list, read, delete."""

from itertools import islice

from service.clock import utc_now
from service.database import Session, Sessions
from service.datasets import repository
from service.datasets.contents import Content, ContentFormat, RowFilter, content_of, page_of
from service.datasets.examples import Example, Split
from service.datasets.models import Dataset
from service.datasets.ports import CountTokens
from service.datasets.presets.preset import Preset
from service.datasets.presets.registry import choose_preset
from service.datasets.schemas import DatasetReport, DatasetRow, PrepareSpec
from service.datasets.sources.registry import SOURCES
from service.datasets.sources.source import SourceAccess
from service.datasets.stored_examples import SCHEMA, example_of, stored_rows
from service.datasets.stored_examples import stream_examples as stream_examples
from service.datasets.views import DatasetView as DatasetView
from service.errors import Conflict, Fault, NotFound, TunecurveError
from service.files.contents import FileLimits
from service.ids import Prefix
from service.jobs.operations import require_ended
from service.jobs.ports import InputNotReady, JobKind, JobRun, Submission, Waiting
from service.storage.ports import ObjectStore
from service.task_queue import Queue

# ---------------------------------------------------------------------------------- preparing


def check_source(
    session: Session, spec: PrepareSpec, *, project_id: str, pointer: str = "/spec"
) -> Preset:
    """Return the preset of a spec whose source is there; faults point below `pointer`.

    Raises Invalid `unknown_preset`, `unknown_column`, `template_required`, `invalid_uri` and
    others; NotFound `input_not_found`.
    """
    try:
        preset = _preset_of(spec)
        source = SOURCES[spec.source.type]
        source.check(spec.source, project_id=project_id, session=session)
    except TunecurveError as error:
        raise _pointing_below(pointer, error) from error
    return preset


def _preset_of(spec: PrepareSpec) -> Preset:
    return choose_preset(
        spec.preset,
        template=spec.template,
        columns=spec.columns,
        form=spec.form,
        labels=spec.labels,
        target_schema=spec.target_schema,
        definition=spec.definition,
    )


def _pointing_below(pointer: str, error: TunecurveError) -> TunecurveError:
    faults = [
        Fault(pointer + fault.pointer.removeprefix("/spec"), fault.code, fault.message)
        for fault in error.faults
    ]
    return type(error)(error.message, code=error.code, faults=faults)


def reserve_dataset(session: Session, submission: Submission) -> None:
    """Write the dataset's row, not yet ready; raises what `check_source` raises."""
    spec = PrepareSpec.model_validate(submission.spec)
    preset = check_source(session, spec, project_id=submission.project_id)
    row = Dataset(
        id=submission.outputs["dataset"],
        project_id=submission.project_id,
        job_id=submission.id,
        preset=preset.name,
        instruction=preset.instruction,
        metrics=list(preset.metrics),
        splits={},
        training_files={},
        report={},
        schema_version=SCHEMA.version,
        created_at=utc_now(),
    )
    repository.add(session, row)


PREPARE = JobKind(
    name="prepare",
    spec=PrepareSpec,
    output="dataset",
    prefix=Prefix.DATASET,
    queue=Queue.PREPARE,
    task="datasets.prepare",
    reserve=reserve_dataset,
)


def run_prepare(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    limits: FileLimits,
    google_project: str,
    base_model: str = "",
    count_tokens: CountTokens | None = None,
) -> Waiting | None:
    """Make the dataset that the job has reserved; do nothing when it is ready.

    `base_model` is whose limits apply when the spec names none; `count_tokens` asks the provider
    for the tokens of a few texts. Raises what `make_dataset` raises.
    """
    # Polars: only workers that prepare pay for it.
    from service.datasets.running import make_dataset

    dataset_id = run.outputs["dataset"]
    if get_dataset(dataset_id, project_id=run.project_id, sessions=sessions).ready_at is not None:
        return None
    spec = PrepareSpec.model_validate(run.spec)
    access = SourceAccess(run.project_id, sessions, store, limits, google_project)
    make_dataset(
        run,
        spec,
        preset=_preset_of(spec),
        access=access,
        model=base_model,
        count_tokens=count_tokens,
    )
    return None


# ------------------------------------------------------------------------------------ reading


def _require(session: Session, dataset_id: str, project_id: str) -> Dataset:
    row = repository.find(session, dataset_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no dataset {dataset_id}", code="dataset_not_found")
    return row


def get_dataset(dataset_id: str, *, project_id: str, sessions: Sessions) -> Dataset:
    """Return a dataset of the project, ready or not; raises NotFound `dataset_not_found`."""
    with sessions.reading() as session:
        return _require(session, dataset_id, project_id)


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
    row = _require(session, dataset_id, project_id)
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
    )


def require_dataset(
    session: Session, dataset_id: str, *, project_id: str, pointer: str = "/spec/dataset"
) -> None:
    """Check that a dataset is there, reserved or ready; raises NotFound `input_not_found`."""
    if repository.find(session, dataset_id, project_id=project_id) is None:
        message = f"no dataset {dataset_id}"
        fault = Fault(pointer, "input_not_found", message)
        raise NotFound(message, code="input_not_found", faults=[fault])


def read_examples(
    examples_key: str, split: Split, *, store: ObjectStore, limit: int | None = None
) -> list[Example]:
    """Return the first `limit` examples of a split in stored order: nested order in `train`.

    Raises NotFound `object_not_found`, Unavailable.
    """
    with store.open(examples_key) as stream:
        return [example_of(row) for row in islice(stored_rows(stream, split=split), limit)]


def list_rows(
    dataset_id: str,
    *,
    project_id: str,
    split: Split | None,
    only: RowFilter = RowFilter(),  # noqa: B008  a frozen value
    after: str | None,
    limit: int,
    sessions: Sessions,
    store: ObjectStore,
) -> list[DatasetRow]:
    """Return up to `limit` rows in stored order, those that follow the row with the id `after`.

    Raises NotFound `dataset_not_found`, Conflict `not_ready`, Unavailable.
    """
    key = examples_key_of(dataset_id, project_id=project_id, sessions=sessions)
    return page_of(key, split=split, only=only, after=after, limit=limit, store=store)


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
    sessions: Sessions,
    store: ObjectStore,
) -> Content:
    """Return all rows as one file.

    Raises NotFound `dataset_not_found`, Conflict `not_ready`, Unavailable.
    """
    key = examples_key_of(dataset_id, project_id=project_id, sessions=sessions)
    return content_of(key, name=dataset_id, content_format=content_format, store=store)


def examples_key_of(dataset_id: str, *, project_id: str, sessions: Sessions) -> str:
    """Return the key of the dataset's Parquet file; raises NotFound, Conflict `not_ready`."""
    with sessions.reading() as session:
        row = _require(session, dataset_id, project_id)
    if row.ready_at is None or row.examples_key is None:
        raise Conflict(f"{dataset_id} is still to be made by its job", code="not_ready")
    return row.examples_key


# ----------------------------------------------------------------------------------- deleting


def delete_dataset(
    dataset_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> None:
    """Delete a dataset, and those of its objects that no other dataset shares.

    Raises NotFound `dataset_not_found`; Conflict `not_ready` while its job may still write, or
    `in_use`.
    """
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    if row.ready_at is None:
        require_ended(row.job_id, sessions=sessions)
    with sessions.transaction() as session:
        keys = _object_keys(_require(session, dataset_id, project_id))
        if not repository.remove(session, dataset_id):
            message = f"{dataset_id} is used by models, evaluations or experiments"
            raise Conflict(message, code="in_use")
        orphans = repository.unused(session, keys)
    for key in orphans:
        store.delete(key)


def _object_keys(row: Dataset) -> list[str]:
    manifest = row.report.get("manifest") or {"key": None}  # none where the job has failed
    files = [*row.training_files.values(), *row.splits.values(), manifest]
    return [key for key in (row.examples_key, *(file["key"] for file in files)) if key]
