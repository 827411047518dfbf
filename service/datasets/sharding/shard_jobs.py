"""A large source is converted by several workers: one job of kind `draft` for each shard.

Shards pass through the object store, in a folder of their job; see `shard_files`.
"""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.datasets.examples import Split
from service.datasets.schemas import ConversionShardSpec, PrepareSpec
from service.errors import TunecurveError, Unavailable
from service.jobs.ports import JobCancelled, JobRun, JobServices, Waiting
from service.jobs.shards import Shard, start_shards, stop_shards
from service.storage.ports import ObjectStore

ROOT = "preparing"
_PRIORITY = 1  # small preparations go before the shards of large ones


@dataclass(frozen=True, slots=True)
class SourceShardConfig:
    """How shards are written: of sources with more than `shard_rows` rows; 0: of none."""

    jobs: JobServices
    shard_rows: int

    def applies_to(self, rows: int) -> bool:
        return 0 < self.shard_rows < rows


@dataclass(frozen=True, slots=True)
class SourceShard:
    """Rows of one source to be converted together; `split` is where all of them belong."""

    rows: int
    split: Split | None


def new_shard_folder(project_id: str, job_id: str) -> str:
    """Return a folder of the store for one attempt of a job.

    What a killed attempt left is not mixed with what the next one writes.
    """
    return f"{shard_folder(project_id, job_id)}/{uuid.uuid4().hex}"


def shard_folder(project_id: str, job_id: str) -> str:
    return f"{ROOT}/{project_id}/{job_id}"


def start_shard_jobs(
    run: JobRun,
    prepare: PrepareSpec,
    shards: Sequence[SourceShard],
    *,
    folder: str,
    model: str,
    sharding: SourceShardConfig,
) -> None:
    """Write a job for each shard, all or none, and send them off."""
    specs = [
        ConversionShardSpec(
            prepare=prepare,
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
        [Shard(spec, items=spec.rows) for spec in specs],
        priority=_PRIORITY,
        services=sharding.jobs,
    )


def stop_sharding(run: JobRun, *, store: ObjectStore, sharding: SourceShardConfig) -> Waiting:
    """Wait until every shard of a cancelled job has stopped, so that none writes any more.

    Raises JobCancelled once they have and their files are deleted.
    """
    waiting = stop_shards(run, services=sharding.jobs)
    if waiting is None:
        delete_shard_files(run, store=store)
        raise JobCancelled
    return waiting


@contextlib.contextmanager
def cleans_up_shards(run: JobRun, *, store: ObjectStore) -> Iterator[None]:
    """Delete the shard files after the block, unless the job will be tried again."""
    try:
        yield
    except TunecurveError as error:
        if not error.retryable:
            delete_shard_files(run, store=store)
        raise
    delete_shard_files(run, store=store)


def delete_shard_files(run: JobRun, *, store: ObjectStore) -> None:
    """Delete the shard files of a job; what cannot be deleted now is purged later."""
    with contextlib.suppress(Unavailable):
        delete_objects(store.keys_below(shard_folder(run.project_id, run.id)), store)


def delete_objects(keys: Sequence[str], store: ObjectStore) -> int:
    """Delete objects; return how many."""
    for key in keys:
        store.delete(key)
    return len(keys)
