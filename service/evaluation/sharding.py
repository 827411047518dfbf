"""A large evaluation is asked by several workers at once: one shard of its rows for each slot.

One shard a slot, as the end of a shard waits for its last calls: several in a row on one slot
would wait several times. Whoever is still busy gets the whole quota, so shards need not be equal.
"""

from dataclasses import dataclass
from itertools import pairwise

from service.database import Sessions
from service.evaluation.plan import EvaluationPlan
from service.evaluation.request_stage import Rows
from service.evaluation.schemas import AskSpec
from service.ids import Prefix, new_id
from service.jobs.lifecycle import Reason, State
from service.jobs.operations import (
    Job,
    JobKinds,
    are_open,
    children_of,
    dispatch,
    first_error,
    set_priority,
    write_job,
)
from service.jobs.ports import JobRun, Submission, Waiting
from service.task_queue import TaskQueue

# Below this a shard costs more (a ticket, a claim, a wait for the parent) than it saves.
FEWEST_REQUESTS = 200
# Who asks for little goes first: each ten times more is one class later.
_CLASSES = (500, 5_000, 50_000)


@dataclass(frozen=True, slots=True)
class ShardConfig:
    """Where shards go: the jobs that can be written, and how many evaluations run at once."""

    kinds: JobKinds
    task_queue: TaskQueue
    slots: int


def priority_of(requests: int) -> int:
    """Return the place of an evaluation in the queue by its size, 0 for those that go first."""
    return sum(requests > most for most in _CLASSES)


def plan_shards(rows: int, *, requests: int, slots: int) -> list[Rows]:
    """Return the rows of each shard: about equal, none too small, at most one for each slot.

    `requests` is how many of the rows' requests are still to be made.
    """
    count = max(1, min(slots, -(-requests // FEWEST_REQUESTS), rows))
    bounds = [rows * shard // count for shard in range(count + 1)]
    return [Rows(first, last) for first, last in pairwise(bounds)]


def spread(
    run: JobRun, plan: EvaluationPlan, *, requests: int, sessions: Sessions, fleet: ShardConfig
) -> Waiting | None:
    """Have the requests of a large evaluation made in shards; None when none is under way.

    Raises the error of the first shard that failed: what is stored stays.
    """
    shards = children_of(run.id, sessions=sessions)
    if not shards:
        shards = _write(run, plan, requests, fleet)
        dispatch(shards, kinds=fleet.kinds, sessions=sessions, task_queue=fleet.task_queue)
    if are_open(shards):
        return Waiting(Reason.CHILDREN)
    failed = [shard for shard in shards if shard.state == State.FAILED]
    if failed:
        raise first_error(failed)
    return None


def _write(run: JobRun, plan: EvaluationPlan, requests: int, fleet: ShardConfig) -> list[Job]:
    """Write all shards, or none where one worker is enough."""
    shards = plan_shards(plan.rows, requests=requests, slots=fleet.slots)
    priority = priority_of(requests)
    with run.fenced() as session:
        if priority:
            set_priority(session, run.id, priority)
        if len(shards) == 1:
            return []
        kind = fleet.kinds["ask"]
        return [write_job(session, _shard(run, plan, rows, priority), kind=kind) for rows in shards]


def _shard(run: JobRun, plan: EvaluationPlan, rows: Rows, priority: int) -> Submission:
    return Submission(
        id=new_id(Prefix.JOB),
        project_id=run.project_id,
        kind="ask",
        spec=AskSpec(evaluate=plan.spec, first=rows.first, last=rows.last),
        outputs=dict(run.outputs),
        parent_id=run.id,
        labels=dict(run.labels),
        priority=priority,
        total=(rows.last - rows.first) * plan.spec.samples,
    )
