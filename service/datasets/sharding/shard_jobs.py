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
from service.ids import Prefix, new_id
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.operations import (
    Job,
    JobKinds,
    children_of,
    dispatch,
    first_error,
    job_states,
    stop_shards,
    write_job,
)
from service.jobs.ports import JobCancelled, JobRun, Submission, Waiting
from service.storage.ports import ObjectStore
from service.task_queue import TaskQueue

ROOT = "preparing"
_LOOK_SECONDS = 0.5  # between two looks whether all shares of a cancelled job have stopped
_PRIORITY = 1  # small preparations pass the shares of large ones


@dataclass(frozen=True, slots=True)
class ShardingConfig:
    """Where shares go, and how many rows make a source large enough for more than one; 0: none."""

    kinds: JobKinds
    task_queue: TaskQueue
    shard_rows: int

    def takes(self, rows: int) -> bool:
        return 0 < self.shard_rows < rows


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows of one source to be drafted together; `split` is where all of them belong."""

    rows: int
    split: Split | None


def new_shard_folder(job_id: str) -> str:
    """Return a folder of the store for one attempt of a job: what a killed one left is not mixed
    with what the next one writes.
    """
    return f"{ROOT}/{job_id}/{uuid.uuid4().hex}"


def start_shards(
    run: JobRun,
    spec: PrepareSpec,
    shards: Sequence[Shard],
    *,
    folder: str,
    model: str,
    sessions: Sessions,
    sharding: ShardingConfig,
) -> None:
    """Write a job for each share, all or none, and send them off."""
    kind = sharding.kinds["draft"]
    specs = [
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
    with run.fenced() as session:
        jobs = [write_job(session, _submission(run, each), kind=kind) for each in specs]
    dispatch(jobs, kinds=sharding.kinds, sessions=sessions, task_queue=sharding.task_queue)


def _submission(run: JobRun, spec: DraftSpec) -> Submission:
    return Submission(
        id=new_id(Prefix.JOB),
        project_id=run.project_id,
        kind="draft",
        spec=spec,
        outputs=dict(run.outputs),
        parent_id=run.id,
        labels=dict(run.labels),
        priority=_PRIORITY,
        total=spec.rows,
    )


def find_shard_jobs(run: JobRun, *, sessions: Sessions) -> list[Job]:
    """Return the jobs that draft the shares of a preparation, none where it is not shared."""
    return children_of(run.id, sessions=sessions)


def raise_shard_error(shards: Sequence[Job]) -> None:
    """Raise the error of the first share that failed, where one did."""
    failed = [shard for shard in shards if shard.state != State.SUCCEEDED]
    if failed:
        raise first_error(failed)


def stop_sharding(
    run: JobRun, *, sessions: Sessions, store: ObjectStore, sharding: ShardingConfig
) -> Waiting:
    """Wait until every share of a cancelled job has stopped, so that none writes any more.

    Raises JobCancelled once they have and nothing of them is left.
    """
    if stop_shards(run, kinds=sharding.kinds, sessions=sessions, task_queue=sharding.task_queue):
        return Waiting(Reason.CHILDREN, seconds=_LOOK_SECONDS)
    delete_shard_files(run.id, store=store)
    raise JobCancelled


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
