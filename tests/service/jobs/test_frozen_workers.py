"""A worker that stands still at any step and wakes when others have seen to its operation."""

from functools import partial
from itertools import count

import pytest

from service.jobs.paid_operations.states import OperationState
from tests.support.operation_ledger import ANSWERS, Ledger, Steps
from tests.support.operation_world import LateSessions, World

# The steps from the intent to the answer written down; again, they begin with the search.
SENDING, SENDING_AGAIN = range(3, 8), range(10)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_worker_may_stand_still_anywhere_and_go_on_after_its_successor(
    database: tuple[LateSessions, str], answer: str
) -> None:
    cases = [("complete", False), ("late", False), ("complete", True)]
    for listing, cancelled in cases:
        for fatal in count():
            world = World(*database, Ledger(answer, listing))
            steps = Steps(fatal, partial(world.be_overtaken, cancelled=cancelled))
            world.work(steps)
            world.finish()
            world.require_one(f"stood still at step {fatal}, {answer}, list {listing}")
            if steps.taken <= fatal:
                break


@pytest.mark.parametrize(
    ("missing", "reads_late", "cancelled", "again", "later_listings"),
    [
        ("refused", False, False, False, ()),
        ("refused", True, False, True, ()),
        ("fails", False, False, True, ()),
        ("fails", True, False, False, ()),
        ("fails", True, False, False, ("away",)),
        ("fails", True, True, False, ()),
    ],
)
def test_a_worker_may_stand_still_about_its_request_and_wake_at_any_step_of_its_successor(
    database: tuple[LateSessions, str],
    missing: str,
    *,
    reads_late: bool,
    cancelled: bool,
    again: bool,
    later_listings: tuple[str, ...],
) -> None:
    """With `again` it stands still while it looks for a first request, which has got lost."""
    for frozen_at in SENDING_AGAIN if again else SENDING:
        for woken_at in count():
            ledger = Ledger(reads_late=reads_late, missing=missing, later_listings=later_listings)
            world = World(*database, ledger)
            if again:
                world.ledger.answer = "request lost"
                world.step(Steps())
                world.sessions.pass_time(seconds=100)
            frozen = world.freeze(frozen_at)
            world.cancelled = cancelled
            world.sessions.pass_time(seconds=100)
            steps = Steps(woken_at, frozen.wake)
            world.work(steps)
            frozen.wake()
            world.finish()
            assert cancelled or world.end is OperationState.SUCCEEDED
            world.require_one(f"stood still at step {frozen_at}, woken at {woken_at}")
            if steps.taken <= woken_at:
                break
