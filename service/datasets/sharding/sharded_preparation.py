"""A preparation whose rows are drafted by others: shared out first, joined when they have ended."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from service.datasets.preparation import (
    DraftedSource,
    Prepared,
    Staged,
    check_sources,
    draft_plan,
    row_checks,
    split_up,
)
from service.datasets.prepare_run import PrepareRun
from service.datasets.schemas import DraftSpec
from service.datasets.sharding.shard_conversion import fetch_and_draft
from service.datasets.sharding.shard_files import shared_sources, store_shares
from service.datasets.sharding.shard_jobs import Sharing, end_sharing, new_folder, write_shares
from service.datasets.sharding.shard_merge import Joining, unpack_drafts
from service.jobs.lifecycle import Reason
from service.jobs.ports import Waiting


def share_out(
    run: PrepareRun, staged: Sequence[Staged], *, sharing: Sharing, scratch: Path
) -> Waiting:
    """Have staged sources drafted by others; raises what `check_sources` raises, Unavailable."""
    check_sources(staged, preset=run.preset, spec=run.spec)
    end_sharing(run.job.id, store=run.access.store)  # what an attempt that died has left
    folder = new_folder(run.job.id)
    shares = store_shares(
        staged,
        plan=draft_plan(run.preset, run.spec),
        shard_rows=sharing.shard_rows,
        folder=folder,
        store=run.access.store,
        scratch=scratch,
        check=run.job.check,
    )
    write_shares(
        run.job,
        run.spec,
        shares,
        folder=folder,
        model=run.model,
        sessions=run.access.sessions,
        sharing=sharing,
    )
    return Waiting(Reason.CHILDREN)


def prepare_shares(run: PrepareRun, shares: Sequence[DraftSpec], *, folder: Path) -> Prepared:
    """Go on where all shares are drafted, as `prepare` does once it has drafted all rows.

    Raises what `split_up` raises, Unavailable.
    """
    ordered = iter(sorted(shares, key=lambda share: share.number))
    checks = row_checks(run.preset, run.spec, run.model)
    with closing(Joining(draft_plan(run.preset, run.spec), folder, checks=checks)) as joining:
        sources = []
        for source in shared_sources(shares[0].folder, store=run.access.store):
            for _ in range(source.shares):
                run.job.check()
                joining.add(_drafts_of(next(ordered), run, folder / "share"))
            faults = [*source.faults, *joining.take_faults()]
            sources.append(DraftedSource(source.split, source.source_rows, faults))
        return split_up(joining, sources, preset=run.preset, spec=run.spec, model=run.model)


def _drafts_of(share: DraftSpec, run: PrepareRun, folder: Path) -> Path:
    """Return a folder with the drafts of a share: those of its worker, or made anew where they
    are of no use here.
    """
    store = run.access.store
    if not unpack_drafts(share.folder, share.number, store=store, into=folder):
        shutil.rmtree(folder)
        watch = run.watch("checking", total=share.rows)
        fetch_and_draft(share, preset=run.preset, store=store, folder=folder, watch=watch)
    return folder
