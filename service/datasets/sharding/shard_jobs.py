"""A large source is drafted by several workers: one job for each share of its rows.

Shares pass through the object store, below a folder of their job; `shares` writes and reads them.
"""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.schemas import DraftSpec, PrepareSpec
from service.errors import TunecurveError, Unavailable
from service.jobs.lifecycle import OPEN
from service.jobs.ports import JobCancelled, JobRun, JobServices, Waiting
from service.jobs.queries import job_states
from service.jobs.shards import Shard, start_shards, stop_shards
from service.storage.ports import ObjectStore

ROOT = "preparing"
_PRIORITY = 1  # small preparations pass the shares of large ones


@dataclass(frozen=True, slots=True)
class ShardingConfig:
    """Where shares go, and how many rows make a source large enough for more than one; 0: none."""

    jobs: JobServices
    shard_rows: int

    def takes(self, rows: int) -> bool:
        return 0 < self.shard_rows < rows


@dataclass(frozen=True, slots=True)
class SourceShard:
    """Rows of one source to be drafted together; `split` is where all of them belong."""

    rows: int
    split: Split | None


def new_shard_folder(job_id: str) -> str:
    """Return a folder of the store for one attempt of a job: what a killed one left is not mixed
    with what the next one writes.
    """
    return f"{ROOT}/{job_id}/{uuid.uuid4().hex}"


def start_draft_jobs(
    run: JobRun,
    spec: PrepareSpec,
    shards: Sequence[SourceShard],
    *,
    folder: str,
    model: str,
    sharding: ShardingConfig,
) -> None:
    """Write a job for each shard, all or none, and send them off."""
    drafts = [
        DraftSpec(
            prepare=spec,
            model=model,
            folder=folder,
            number=number,
            rows=shard.rows,
            split=shard.split,
        )
        for number, shard in enumerate(shards)
    ]
    start_shards(
        run,
        "draft",
        [Shard(draft, items=draft.rows) for draft in drafts],
        priority=_PRIORITY,
        services=sharding.jobs,
    )


def stop_sharding(run: JobRun, *, store: ObjectStore, sharding: ShardingConfig) -> Waiting:
    """Wait until every shard of a cancelled job has stopped, so that none writes any more.

    Raises JobCancelled once they have and nothing of them is left.
    """
    waiting = stop_shards(run, services=sharding.jobs)
    if waiting is None:
        delete_shard_files(run.id, store=store)
        raise JobCancelled
    return waiting


@contextlib.contextmanager
def cleans_up_shards(job_id: str, *, store: ObjectStore) -> Iterator[None]:
    """End the sharing with the block, unless the job is to be tried again or goes on elsewhere."""
    try:
        yield
    except TunecurveError as error:
        if not error.retryable:
            delete_shard_files(job_id, store=store)
        raise
    delete_shard_files(job_id, store=store)


def delete_shard_files(job_id: str, *, store: ObjectStore) -> None:
    """Delete what the shares of a job have left in the store; what stays for now is purged."""
    with contextlib.suppress(Unavailable):
        _delete(store.keys_below(f"{ROOT}/{job_id}"), store)


def purge_shard_files(*, sessions: Sessions, store: ObjectStore) -> int:
    """Delete what was left by jobs that have ended without doing so; return how many objects."""
    keys = store.keys_below(ROOT)
    states = job_states({_job_of(key) for key in keys}, sessions=sessions)
    return _delete([key for key in keys if states.get(_job_of(key)) not in OPEN], store)


def _job_of(key: str) -> str:
    return key.split("/")[1]


def _delete(keys: Sequence[str], store: ObjectStore) -> int:
    for key in keys:
        store.delete(key)
    return len(keys)
