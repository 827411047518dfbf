"""A large evaluation is asked by several workers at once: one share of its rows for each slot.

One share a slot, as the end of a share waits for its last calls: several in a row on one slot
would wait several times. Whoever is still busy gets the whole quota, so shares need not be equal.
"""

from dataclasses import dataclass
from itertools import pairwise

from service.database import Sessions
from service.evaluation.asking import Rows
from service.evaluation.requests import Brief
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

# Below this a share costs more (a ticket, a claim, a wait for the parent) than it saves.
FEWEST_REQUESTS = 200
# Who asks for little goes first: each ten times more is one class later.
_CLASSES = (500, 5_000, 50_000)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where shares go: the jobs that can be written, and how many evaluations run at once."""

    kinds: JobKinds
    task_queue: TaskQueue
    slots: int


def priority_of(requests: int) -> int:
    """Return the place of an evaluation in the queue by its size, 0 for those that go first."""
    return sum(requests > most for most in _CLASSES)


def plan_shares(rows: int, *, requests: int, slots: int) -> list[Rows]:
    """Return the rows of each share: about equal, none too small, at most one for each slot.

    `requests` is how many of the rows' requests are still to be made.
    """
    count = max(1, min(slots, -(-requests // FEWEST_REQUESTS), rows))
    bounds = [rows * share // count for share in range(count + 1)]
    return [Rows(first, last) for first, last in pairwise(bounds)]


def spread(
    run: JobRun, brief: Brief, *, requests: int, sessions: Sessions, fleet: Fleet
) -> Waiting | None:
    """Have the requests of a large evaluation made in shares; None when none is under way.

    Raises the error of the first share that failed: what is stored stays.
    """
    shares = children_of(run.id, sessions=sessions)
    if not shares:
        shares = _write(run, brief, requests, fleet)
        dispatch(shares, kinds=fleet.kinds, sessions=sessions, task_queue=fleet.task_queue)
    if are_open(shares):
        return Waiting(Reason.CHILDREN)
    failed = [share for share in shares if share.state == State.FAILED]
    if failed:
        raise first_error(failed)
    return None


def _write(run: JobRun, brief: Brief, requests: int, fleet: Fleet) -> list[Job]:
    """Write all shares, or none where one worker is enough."""
    plan = plan_shares(brief.rows, requests=requests, slots=fleet.slots)
    priority = priority_of(requests)
    with run.fenced() as session:
        if priority:
            set_priority(session, run.id, priority)
        if len(plan) == 1:
            return []
        kind = fleet.kinds["ask"]
        return [write_job(session, _share(run, brief, rows, priority), kind=kind) for rows in plan]


def _share(run: JobRun, brief: Brief, rows: Rows, priority: int) -> Submission:
    return Submission(
        id=new_id(Prefix.JOB),
        project_id=run.project_id,
        kind="ask",
        spec=AskSpec(evaluate=brief.spec, first=rows.first, last=rows.last),
        outputs=dict(run.outputs),
        parent_id=run.id,
        labels=dict(run.labels),
        priority=priority,
        total=(rows.last - rows.first) * brief.spec.samples,
    )
