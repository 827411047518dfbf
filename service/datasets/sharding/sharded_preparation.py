"""A preparation whose rows are drafted by others: shared out first, joined when they have ended."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from service.datasets.preparation import (
    ConvertedSource,
    PrepareRun,
    SplitDataset,
    Staged,
    check_sources,
    conversion_plan,
    row_checks,
    split_rows,
)
from service.datasets.schemas import DraftSpec
from service.datasets.sharding.shard_conversion import ShardMerger, fetch_and_convert, unpack_shard
from service.datasets.sharding.shard_files import sharded_sources, store_shards
from service.datasets.sharding.shard_jobs import (
    ShardingConfig,
    delete_shard_files,
    new_shard_folder,
    start_draft_jobs,
)
from service.jobs.lifecycle import Reason
from service.jobs.ports import Waiting


def start_sharding(
    run: PrepareRun, staged: Sequence[Staged], *, sharding: ShardingConfig, scratch: Path
) -> Waiting:
    """Have staged sources drafted by others; raises what `check_sources` raises, Unavailable."""
    check_sources(staged, preset=run.preset, spec=run.spec)
    delete_shard_files(run.job.id, store=run.access.store)  # what an attempt that died has left
    folder = new_shard_folder(run.job.id)
    shards = store_shards(
        staged,
        plan=conversion_plan(run.preset, run.spec),
        shard_rows=sharding.shard_rows,
        folder=folder,
        store=run.access.store,
        scratch=scratch,
        check=run.job.check,
    )
    start_draft_jobs(
        run.job,
        run.spec,
        shards,
        folder=folder,
        model=run.base_model.name,
        sharding=sharding,
    )
    return Waiting(Reason.CHILDREN)


def prepare_from_shards(
    run: PrepareRun, shards: Sequence[DraftSpec], *, folder: Path
) -> SplitDataset:
    """Go on where all shares are drafted, as `prepare` does once it has drafted all rows.

    Raises what `split_up` raises, Unavailable.
    """
    ordered = iter(sorted(shards, key=lambda shard: shard.number))
    checks = row_checks(run.preset, run.base_model)
    with closing(
        ShardMerger(conversion_plan(run.preset, run.spec), folder, checks=checks)
    ) as joining:
        sources = []
        for source in sharded_sources(shards[0].folder, store=run.access.store):
            for _ in range(source.shards):
                run.job.check()
                joining.add(_converted_shard(next(ordered), run, folder / "share"))
            faults = [*source.faults, *joining.take_faults()]
            sources.append(ConvertedSource(source.split, source.source_rows, faults))
        return split_rows(
            joining, sources, preset=run.preset, spec=run.spec, base_model=run.base_model
        )


def _converted_shard(shard: DraftSpec, run: PrepareRun, folder: Path) -> Path:
    """Return a folder with the drafts of a share: those of its worker, or made anew where they
    are of no use here.
    """
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
