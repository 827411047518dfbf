"""What can be done with datasets: reserve, prepare, remove."""

from dataclasses import replace

from service.catalogue.catalogue import Catalogue
from service.clock import utc_now
from service.database import Session, Sessions, refuse_used
from service.datasets import repository
from service.datasets.examples import SCHEMA
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.models import Dataset
from service.datasets.ports import TokenCounter
from service.datasets.presets.preset import Preset
from service.datasets.publishing.artifacts import dataset_folder
from service.datasets.queries import get_dataset, require_row
from service.datasets.refusals import check_synthetic_columns, check_synthetic_rows
from service.datasets.schemas import ConversionShardSpec, PrepareSpec
from service.datasets.sharding.shard_jobs import (
    ROOT,
    SourceShardConfig,
    delete_objects,
    shard_folder,
    stop_sharding,
)
from service.datasets.sources.hub_client import HubClient
from service.datasets.sources.registry import SOURCES
from service.datasets.sources.schemas import SyntheticSource
from service.datasets.sources.source import SourceAccess, repoint_faults
from service.files.contents import FileLimits
from service.ids import Prefix
from service.jobs.lifecycle import OPEN
from service.jobs.ports import JobCancelled, JobKind, JobRun, Submission, Waiting, reserve_nothing
from service.jobs.queries import job_states
from service.projects.administration import limits_of
from service.storage.leftovers import Leftover, LeftoverKind
from service.storage.ports import ObjectStore
from service.task_queue import Queue

# ---------------------------------------------------------------------------------- preparing


def check_source(
    session: Session, spec: PrepareSpec, *, project_id: str, pointer: str = "/spec"
) -> Preset:
    """Return the preset of a spec whose sources are there; faults point below `pointer`.

    Raises Invalid `unknown_preset`, `unknown_column`, `template_required`, `invalid_uri` and
    others; NotFound `input_not_found`.
    """
    with repoint_faults("/spec", to=pointer):
        preset = spec.make_preset()
    for name in ("source", "test_source", "validation_source"):
        source = getattr(spec, name)
        if source is not None:
            with repoint_faults("/spec/source", to=f"{pointer}/{name}"):
                SOURCES[source.type].check(source, project_id=project_id, session=session)
                if isinstance(source, SyntheticSource):
                    check_synthetic_columns(preset, spec.columns)
    if isinstance(spec.source, SyntheticSource):
        with repoint_faults("/spec", to=pointer):
            check_synthetic_rows(spec.source.rows, spec)
    return preset


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
        answer_form=preset.answer.as_json(),
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
    cleans_up_on_cancel=True,  # shards may still run, and their files are in the store
)


DRAFT = JobKind(
    name="draft",
    spec=ConversionShardSpec,
    output="dataset",
    prefix=Prefix.DATASET,
    queue=Queue.PREPARE,
    task="datasets.draft",
    reserve=reserve_nothing,
    is_shard=True,
)


def run_prepare(  # noqa: PLR0913  each is a neighbour or a setting, by its name
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    limits: FileLimits | IngestionLimits,
    google_project: str,
    google_account: str = "",
    catalogue: Catalogue,
    base_model: str = "",
    count_tokens: TokenCounter | None = None,
    sharding: SourceShardConfig | None = None,
    hub: HubClient = HubClient(),  # noqa: B008  a frozen value
) -> Waiting | None:
    """Make the dataset that the job has reserved; do nothing when it is ready.

    `base_model` is whose limits apply when the spec names none; `count_tokens` asks the provider
    for the tokens of a few texts. With `sharding`, a large source is converted by other
    workers, and the job waits for them. `hub` reads the datasets of the hub.
    Raises what `make_dataset` raises.
    """
    # Polars: only workers that prepare pay for it.
    from service.datasets.preparation import PrepareRun
    from service.datasets.prepare_job import make_dataset

    if run.cancelling:
        if sharding is None:
            raise JobCancelled
        return stop_sharding(run, store=store, sharding=sharding)
    dataset_id = run.outputs["dataset"]
    if get_dataset(dataset_id, project_id=run.project_id, sessions=sessions).ready_at is not None:
        return None
    spec = PrepareSpec.model_validate(run.spec)
    limits = _bounded(limits, limits_of(run.project_id, sessions=sessions).source_rows)
    access = SourceAccess(
        run.project_id, sessions, store, limits, google_project, hub, google_account
    )
    prepare_run = PrepareRun(
        run, spec, spec.make_preset(), access, catalogue, base_model, count_tokens
    )
    return make_dataset(prepare_run, sharding=sharding)


def _bounded(
    limits: FileLimits | IngestionLimits, rows: int | None
) -> FileLimits | IngestionLimits:
    """Return limits with those of a project."""
    if rows is None or isinstance(limits, FileLimits):
        return limits
    return replace(limits, rows=min(rows, limits.rows))


def run_draft(run: JobRun, *, store: ObjectStore, catalogue: Catalogue) -> Waiting | None:
    """Convert a shard of a large source; its `prepare` job merges the results.

    Raises Unavailable, JobCancelled, LeaseLost. A second call finds the work done.
    """
    from service.datasets.sharding.shard_conversion import convert_shard

    shard = ConversionShardSpec.model_validate(run.spec)
    convert_shard(run, shard, preset=shard.prepare.make_preset(), store=store, catalogue=catalogue)
    return None


# ----------------------------------------------------------------------------------- removing


def remove_dataset(session: Session, dataset_id: str, *, project_id: str) -> list[Leftover]:
    """Delete the row of a dataset that nothing uses, and return the objects it leaves.

    Raises NotFound `dataset_not_found`, and Conflict `in_use` that names what uses it.
    """
    row = require_row(session, dataset_id, project_id)
    keys, job_id = _object_keys(row), row.job_id
    refuse_used(repository.remove(session, dataset_id), dataset_id)
    folder = dataset_folder(project_id, dataset_id)
    shared = [key for key in keys if not key.startswith(folder)]  # of versions before 0.2
    return [
        Leftover(LeftoverKind.FOLDER, folder),
        Leftover(LeftoverKind.FOLDER, shard_folder(project_id, job_id)),
        *(Leftover(LeftoverKind.OBJECT, key) for key in repository.unused(session, shared)),
    ]


def _object_keys(row: Dataset) -> list[str]:
    manifest = row.report.get("manifest") or {"key": None}  # none where the job has failed
    files = [*row.training_files.values(), *row.splits.values(), manifest]
    return [key for key in (row.examples_key, *(file["key"] for file in files)) if key]


def purge_shard_files(*, sessions: Sessions, store: ObjectStore) -> int:
    """Delete the shard files of jobs that have ended; return how many objects."""
    keys = store.keys_below(ROOT)
    states = job_states({_job_of(key) for key in keys}, sessions=sessions)
    return delete_objects([key for key in keys if states.get(_job_of(key)) not in OPEN], store)


def _job_of(key: str) -> str:
    return key.split("/")[-3]  # versions before 0.2 had no project before it
