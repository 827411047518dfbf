"""Shards: one job's work divided among child jobs, which are written, awaited and stopped together.

A shard job has an internal kind (`JobKind.is_shard`), its parent's outputs and labels, and emits no
events: what its shards have done is shown as the parent's progress.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel

from service.errors import Conflict, TunecurveError
from service.ids import Prefix, new_id
from service.jobs import repository
from service.jobs.dispatch import dispatch
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.operations import cancel_job, write_job
from service.jobs.ports import JobRecord, JobRun, JobServices, Submission, Waiting
from service.jobs.queries import children_of

STOP_SECONDS = 0.5  # until a cancelled parent looks again at shards that stop


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard's spec, and how many items it has to do."""

    spec: BaseModel
    items: int


def divide(total: int, *, shards: int) -> list[range]:
    """Return `total` positions as consecutive ranges of about equal length, none empty. Pure."""
    count = max(1, min(shards, total))
    bounds = [total * number // count for number in range(count + 1)]
    return [range(first, last) for first, last in pairwise(bounds)]


def start_shards(
    run: JobRun, kind_name: str, shards: Sequence[Shard], *, priority: int, services: JobServices
) -> None:
    """Write a job of each shard, all or none, and send their task messages."""
    kind = services.kinds[kind_name]
    with run.fenced() as session:
        jobs = [
            write_job(session, _submission(run, kind_name, shard, priority), kind=kind)[0]
            for shard in shards
        ]
    dispatch(jobs, services=services)


def _submission(run: JobRun, kind_name: str, shard: Shard, priority: int) -> Submission:
    return Submission(
        id=new_id(Prefix.JOB),
        project_id=run.project_id,
        kind=kind_name,
        spec=shard.spec,
        outputs=dict(run.outputs),
        parent_id=run.id,
        labels=dict(run.labels),
        priority=priority,
        total=shard.items,
    )


def set_priority(run: JobRun, priority: int) -> None:
    """Set the priority of a running job, for the next time it is queued; 0 goes first."""
    with run.fenced() as session:
        repository.write_priority(session, run.id, priority)


def await_shards(shards: Sequence[JobRecord]) -> Waiting | None:
    """Return what a job returns while shards are open; None once all have ended.

    Raises the error of the shard that failed first. A shard that was cancelled by itself is no
    failure: see `refuse_incomplete`.
    """
    if are_open(shards):
        return Waiting(Reason.CHILDREN)
    _raise_first([shard for shard in shards if shard.state == State.FAILED])
    return None


def refuse_incomplete(shards: Sequence[JobRecord]) -> None:
    """Raise the error of the shard that ended first without success, cancelled ones included."""
    _raise_first([shard for shard in shards if shard.state != State.SUCCEEDED])


def _raise_first(failed: Sequence[JobRecord]) -> None:
    if failed:
        raise _error_of(min(failed, key=lambda each: each.finished_at or each.created_at))


def _error_of(shard: JobRecord) -> TunecurveError:
    problem = shard.error or {}
    message = str(problem.get("detail") or f"{shard.id} {shard.state}")
    return Conflict(message, code=str(problem.get("code") or "shard_failed"))


def stop_shards(run: JobRun, *, services: JobServices) -> Waiting | None:
    """Cancel the children of a cancelled job, those written while the cancel came included.

    Returns what the job returns while some have not ended; None once all have.
    """
    cancel_open(run, children_of(run.id, sessions=services.sessions), services=services)
    if are_open(children_of(run.id, sessions=services.sessions)):
        return Waiting(Reason.CHILDREN, seconds=STOP_SECONDS)
    return None


def are_open(jobs: Sequence[JobRecord]) -> bool:
    """Return whether any of the jobs has not ended."""
    return any(State(job.state) in OPEN for job in jobs)


def cancel_open(run: JobRun, jobs: Sequence[JobRecord], *, services: JobServices) -> None:
    """Cancel those of the run's children that are open."""
    for job in jobs:
        if State(job.state) in OPEN:
            with suppress(Conflict):  # it has just ended
                cancel_job(job.id, project_id=run.project_id, services=services)
