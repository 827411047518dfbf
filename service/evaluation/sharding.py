"""A large evaluation is asked by several workers at once: one shard of its rows for each slot.

One shard a slot, as the end of a shard waits for its last calls: several in a row on one slot
would wait several times. Whoever is still busy gets the whole quota, so shards need not be equal.
"""

from dataclasses import dataclass

from service.database import Sessions
from service.evaluation.plan import EvaluationPlan
from service.evaluation.request_stage import Rows
from service.evaluation.schemas import AskSpec
from service.jobs.ports import JobRun, JobServices, Waiting
from service.jobs.queries import children_of
from service.jobs.shards import Shard, await_shards, divide, set_priority, start_shards

# Below this a shard costs more (a ticket, a claim, a wait for the parent) than it saves.
FEWEST_REQUESTS = 200
# Who asks for little goes first: each ten times more is one class later.
_CLASSES = (500, 5_000, 50_000)


@dataclass(frozen=True, slots=True)
class ShardConfig:
    """Where shards go: the jobs that can be written, and how many evaluations run at once."""

    jobs: JobServices
    slots: int


def priority_of(requests: int) -> int:
    """Return the place of an evaluation in the queue by its size, 0 for those that go first."""
    return sum(requests > most for most in _CLASSES)


def plan_shards(rows: int, *, requests: int, slots: int) -> list[Rows]:
    """Return the rows of each shard: about equal, none too small, at most one for each slot.

    `requests` is how many of the rows' requests are still to be made.
    """
    shards = min(slots, -(-requests // FEWEST_REQUESTS))
    return [Rows(each.start, each.stop) for each in divide(rows, shards=shards)]


def spread(
    run: JobRun, plan: EvaluationPlan, *, requests: int, sessions: Sessions, fleet: ShardConfig
) -> Waiting | None:
    """Have the requests of a large evaluation made in shards; None when none is under way.

    Raises the error of the first shard that failed: what is stored stays.
    """
    if not children_of(run.id, sessions=sessions):
        _start(run, plan, requests, fleet)
    return await_shards(children_of(run.id, sessions=sessions))


def _start(run: JobRun, plan: EvaluationPlan, requests: int, fleet: ShardConfig) -> None:
    """Start all shards, or none where one worker is enough."""
    priority = priority_of(requests)
    if priority:
        set_priority(run, priority)
    ranges = plan_shards(plan.rows, requests=requests, slots=fleet.slots)
    if len(ranges) > 1:
        shards = [
            Shard(
                AskSpec(evaluate=plan.spec, first=rows.first, last=rows.last),
                items=(rows.last - rows.first) * plan.spec.samples,
            )
            for rows in ranges
        ]
        start_shards(run, "ask", shards, priority=priority, services=fleet.jobs)
