"""The shards of a large evaluation: one range of its rows for each worker slot.

One shard for each slot, as the end of a shard waits for its last calls: several in a row on one
slot would wait several times. A shard still running gets the whole quota, so shards need not be
equal.
"""

from service.evaluation.plan import EvaluationPlan
from service.evaluation.ports import EvaluationServices
from service.evaluation.schemas import AskSpec
from service.jobs.ports import JobRun, Waiting
from service.jobs.queries import children_of
from service.jobs.shards import Shard, await_shards, divide, set_priority, start_shards

# A smaller shard costs more (a task message, a claim, a wait for the parent) than it saves.
SHARD_REQUESTS = 200
# Small evaluations go first: each ten times more requests is one class later.
_CLASSES = (500, 5_000, 50_000)


def priority_of(requests: int) -> int:
    """Return the priority class of an evaluation by its size; 0 goes first."""
    return sum(requests > most for most in _CLASSES)


def plan_shards(rows: int, *, requests: int, slots: int) -> list[range]:
    """Return the rows of each shard: about equal, none too small, at most one for each slot.

    `requests` is how many of the rows' requests are still to be made.
    """
    return divide(rows, shards=min(slots, -(-requests // SHARD_REQUESTS)))


def run_shards(
    run: JobRun, plan: EvaluationPlan, *, requests: int, services: EvaluationServices
) -> Waiting | None:
    """Have the requests of a large evaluation made in shards; None when no shard is open.

    Raises the error of the first shard that failed; the answers it stored remain.
    """
    if not children_of(run.id, sessions=services.sessions):
        _start(run, plan, requests, services)
    return await_shards(children_of(run.id, sessions=services.sessions))


def _start(run: JobRun, plan: EvaluationPlan, requests: int, services: EvaluationServices) -> None:
    """Start all shards, or none where one worker is enough."""
    priority = priority_of(requests)
    if priority:
        set_priority(run, priority)
    ranges = plan_shards(plan.rows, requests=requests, slots=services.shards.slots)
    if len(ranges) > 1:
        shards = [_shard(plan, rows) for rows in ranges]
        start_shards(run, "ask", shards, priority=priority, services=services.shards.jobs)


def _shard(plan: EvaluationPlan, rows: range) -> Shard:
    spec = AskSpec(evaluate=plan.spec, first=rows.start, last=rows.stop)
    return Shard(spec, items=len(rows) * plan.spec.samples)
