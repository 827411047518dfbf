"""A preparation in shards: written as jobs first, merged when all of them have ended."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from service.datasets.preparation import (
    PrepareRun,
    SplitDataset,
    conversion_plan,
    open_writer,
    split_rows,
)
from service.datasets.refusals import ConvertedSource, Staged, check_sources
from service.datasets.schemas import ConversionShardSpec
from service.datasets.sharding.shard_conversion import ShardMerger, fetch_and_convert, unpack_shard
from service.datasets.sharding.shard_files import sharded_sources, store_shards
from service.datasets.sharding.shard_jobs import (
    SourceShardConfig,
    delete_shard_files,
    new_shard_folder,
    start_shard_jobs,
)
from service.jobs.lifecycle import Reason
from service.jobs.ports import Waiting


def start_sharding(
    run: PrepareRun, staged: Sequence[Staged], *, sharding: SourceShardConfig, scratch: Path
) -> Waiting:
    """Have staged sources converted by other workers.

    Raises what `check_sources` raises, Unavailable.
    """
    check_sources(staged, preset=run.preset, spec=run.spec)
    delete_shard_files(run.job, store=run.access.store)  # those of an attempt that died
    folder = new_shard_folder(run.job.project_id, run.job.id)
    shards = store_shards(
        staged,
        plan=conversion_plan(run.preset, run.spec),
        shard_rows=sharding.shard_rows,
        folder=folder,
        store=run.access.store,
        scratch=scratch,
        check=run.job.check,
    )
    start_shard_jobs(
        run.job,
        run.spec,
        shards,
        folder=folder,
        model=run.base_model.name,
        sharding=sharding,
    )
    return Waiting(Reason.CHILDREN)


def prepare_from_shards(
    run: PrepareRun, shards: Sequence[ConversionShardSpec], *, folder: Path
) -> SplitDataset:
    """Merge the results of all shards and split them; the same dataset as from `prepare`.

    Raises what `split_rows` raises, Unavailable.
    """
    ordered = iter(sorted(shards, key=lambda shard: shard.number))
    writer = open_writer(folder, preset=run.preset, spec=run.spec, base_model=run.base_model)
    with closing(writer) as rows:
        merger = ShardMerger(rows)
        sources = []
        for source in sharded_sources(shards[0].folder, store=run.access.store):
            for _ in range(source.shards):
                run.job.check()
                merger.add(_converted_shard(next(ordered), run, folder / "shard"))
            faults = [*source.faults, *rows.take_faults()]
            sources.append(
                ConvertedSource(source.split, source.source_rows, faults, source.assumed_encodings)
            )
        return split_rows(
            rows, sources, preset=run.preset, spec=run.spec, base_model=run.base_model
        )


def _converted_shard(shard: ConversionShardSpec, run: PrepareRun, folder: Path) -> Path:
    """Return a folder with the result of a shard, converted here if its worker's cannot be used."""
    store = run.access.store
    if not unpack_shard(shard.folder, shard.number, store=store, into=folder):
        shutil.rmtree(folder)
        progress = run.progress("checking", total=shard.rows)
        fetch_and_convert(
            shard,
            preset=run.preset,
            store=store,
            base_model=run.base_model,
            folder=folder,
            progress=progress,
        )
    return folder
