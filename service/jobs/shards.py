"""The parts that a job has shared its work out to: whether they go on, how they end."""

from collections.abc import Sequence
from contextlib import suppress

from service.database import Sessions
from service.errors import Conflict, TunecurveError
from service.jobs.cancelling import cancel_job
from service.jobs.dispatch import JobKinds
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job
from service.jobs.ports import JobRun
from service.jobs.reading import children_of
from service.task_queue import TaskQueue


def are_open(parts: Sequence[Job]) -> bool:
    return any(State(part.state) in OPEN for part in parts)


def first_error(failed: Sequence[Job]) -> TunecurveError:
    """Return the error of the one of these parts that ended first, as one of its job."""
    part = min(failed, key=lambda each: each.finished_at or each.created_at)
    problem = part.error or {}
    message = str(problem.get("detail") or f"{part.id} {part.state}")
    return Conflict(message, code=str(problem.get("code") or "share_failed"))


def stop_shards(run: JobRun, *, kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue) -> bool:
    """Stop parts that a cancel has not reached: they were written while it came.

    Returns whether some have not ended yet.
    """
    parts = children_of(run.id, sessions=sessions)
    cancel_open(run, parts, kinds=kinds, sessions=sessions, task_queue=task_queue)
    return are_open(children_of(run.id, sessions=sessions))


def cancel_open(
    run: JobRun,
    parts: Sequence[Job],
    *,
    kinds: JobKinds,
    sessions: Sessions,
    task_queue: TaskQueue,
) -> None:
    """Ask those of these jobs that are open to stop."""
    for part in parts:
        if State(part.state) in OPEN:
            with suppress(Conflict):  # it has just ended
                cancel_job(
                    part.id,
                    project_id=run.project_id,
                    kinds=kinds,
                    sessions=sessions,
                    task_queue=task_queue,
                )
