"""Preemption: whether a running job should give its slot to one that waits. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SLICE_SECONDS = 10.0  # among equals a job keeps its slot for so long


@dataclass(frozen=True, slots=True)
class Contender:
    """A job that holds a slot or waits for one; `root_id` names the job tree it belongs to."""

    id: str
    root_id: str
    priority: int


def should_preempt(
    job: Contender,
    *,
    running: Sequence[Contender],
    waiting: Sequence[Contender],
    ran_seconds: float,
) -> bool:
    """Return whether `job`, which is among `running`, should go back into the queue.

    A job with a lower priority number takes the slot at once, that of the last of those that go
    after it. Between jobs of one priority the trees share the slots: one that waits gets a
    slot of the tree that holds the most, when that is more than its own.
    """
    better = sum(each.priority < job.priority for each in waiting)
    worse = sum((each.priority, each.id) > (job.priority, job.id) for each in running)
    if better > worse:
        return True
    return ran_seconds >= SLICE_SECONDS and _holds_too_many(job, running, waiting)


def _holds_too_many(
    job: Contender, running: Sequence[Contender], waiting: Sequence[Contender]
) -> bool:
    equals = [each for each in running if each.priority == job.priority]
    slots = Counter(each.root_id for each in equals)
    most = max(slots.values(), default=0)
    poorer = any(slots[each.root_id] < most for each in waiting if each.priority == job.priority)
    # One at a time: all of them would make room for one.
    last = max((each.id for each in equals if slots[each.root_id] == most), default="")
    return poorer and job.id == last
