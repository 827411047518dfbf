"""The job `prepare`: stage, prepare, write, store, and only then fill the row."""

from collections.abc import Iterator
from pathlib import Path

import structlog

from service.clock import utc_now
from service.datasets import repository
from service.datasets.conversion.row_conversion import needed_columns
from service.datasets.examples import Split
from service.datasets.formats.read_context import limits_of
from service.datasets.ingestion.staged_rows import stage_source
from service.datasets.preparation import PrepareRun, SplitDataset, conversion_plan, prepare
from service.datasets.presets.targets import has_number_labels
from service.datasets.publishing.artifacts import columns_of, dataset_folder, store_artifacts
from service.datasets.publishing.written_dataset import WrittenDataset, write_dataset
from service.datasets.refusals import Staged
from service.datasets.schemas import ConversionShardSpec, PrepareSpec
from service.datasets.sharding.shard_jobs import (
    SourceShardConfig,
    cleans_up_shards,
)
from service.datasets.sharding.sharded_preparation import prepare_from_shards, start_sharding
from service.datasets.sources.source import repoint_faults
from service.jobs.lifecycle import Reason
from service.jobs.ports import Waiting
from service.jobs.queries import children_of
from service.jobs.shards import are_open, refuse_incomplete
from service.work_folders import work_folder

log = structlog.get_logger()


def make_dataset(run: PrepareRun, *, sharding: SourceShardConfig | None = None) -> Waiting | None:
    """Make the dataset that the job has reserved, or start the shards of a large source and wait.

    Files are stored first and the row is filled last, so an incomplete dataset is never seen.
    Raises what `stage_source`, `prepare` and `write_dataset` raise, JobCancelled, LeaseLost, and
    the error of a shard that failed.
    """
    shards = children_of(run.job.id, sessions=run.access.sessions) if sharding else []
    if are_open(shards):
        return Waiting(Reason.CHILDREN)
    with work_folder() as folder:
        if not shards:
            return _make_from_source(run, folder, sharding)
        with cleans_up_shards(run.job, store=run.access.store):
            refuse_incomplete(shards)
            specs = [ConversionShardSpec.model_validate(shard.spec) for shard in shards]
            _complete(run, prepare_from_shards(run, specs, folder=folder), folder)
    return None


def _make_from_source(
    run: PrepareRun, folder: Path, sharding: SourceShardConfig | None
) -> Waiting | None:
    run.job.check()
    staged = list(_staged(run, folder))
    if sharding and sharding.applies_to(sum(each.rows.rows for each in staged)):
        return start_sharding(run, staged, sharding=sharding, scratch=folder)
    prepared = prepare(
        staged,
        preset=run.preset,
        spec=run.spec,
        folder=folder,
        progress=run.progress("checking"),
        base_model=run.base_model,
    )
    _complete(run, prepared, folder)
    return None


def _complete(run: PrepareRun, prepared: SplitDataset, folder: Path) -> None:
    run.job.check()
    run.job.report(0, prepared.kept, unit="items", stage="writing")
    dataset = write_dataset(
        prepared,
        preset=run.preset,
        train_sizes=run.spec.train_sizes,
        folder=folder,
        today=utc_now().date(),
        known_models=run.catalogue.names,
        count_tokens=run.count_tokens,
    )
    run.job.check()
    _store(run, dataset, folder)
    log.info(
        "dataset_prepared",
        dataset_id=run.job.outputs["dataset"],
        preset=run.preset.name,
        rows=prepared.kept,
    )


def _staged(run: PrepareRun, folder: Path) -> Iterator[Staged]:
    spec = run.spec
    sources = {None: spec.source, Split.TEST: spec.test_source}
    sources[Split.VALIDATION] = spec.validation_source
    for number, (split, source) in enumerate(sources.items()):
        if source is not None:
            place = folder / f"source_{number}"
            place.mkdir()
            name = f"{split.value}_source" if split else "source"
            with repoint_faults("/spec/source", to=f"/spec/{name}"):
                rows = stage_source(
                    source,
                    access=run.access,
                    folder=place,
                    limits=limits_of(run.access.limits),
                    needed=needed_columns(conversion_plan(run.preset, spec)),
                    keeps_class_numbers=has_number_labels(run.preset.labels),
                    progress=run.progress("loading"),
                )
            yield Staged(rows, _split_of(split, spec))


def _split_of(split: Split | None, spec: PrepareSpec) -> Split | None:
    """Return where a source's rows belong: the main one's are train where all else is given."""
    everything = spec.test_source is not None and spec.validation_source is not None
    return Split.TRAIN if split is None and everything else split


def _store(run: PrepareRun, dataset: WrittenDataset, folder: Path) -> None:
    kept, job, store = dataset.report.kept, run.job, run.access.store
    job.report(0, kept, unit="items", stage="storing")
    dataset_id = job.outputs["dataset"]
    artifacts = store_artifacts(
        dataset,
        preset=run.preset,
        folder=dataset_folder(job.project_id, dataset_id),
        store=store,
        scratch=folder,
    )
    job.report(kept, kept, unit="items", stage="filling")
    values = columns_of(dataset, artifacts)
    with job.fenced() as session:
        repository.fill(session, dataset_id, ready_at=utc_now(), **values)
