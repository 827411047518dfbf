"""Every answer of a provider x every point where a worker may die or stand still: one operation."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from service.errors import NotFound, TunecurveError, Unavailable
from service.jobs.lifecycle import Reason
from service.jobs.paid_operations.line import places_in_line
from service.jobs.paid_operations.states import (
    FoundOperation,
    OperationState,
    adopted,
    strays_of,
)
from service.jobs.ports import JobCancelled, Waiting
from service.tuning.models import TuningRun
from service.webhooks.event_log import list_events
from tests.support.operation_ledger import (
    ANSWERS,
    LIST_ERRORS,
    LISTS,
    Entry,
    KilledError,
    Ledger,
    Steps,
)
from tests.support.operation_world import LateSessions, WatchedSteps, World

Case = tuple[str, bool]  # what the list looks like at the first look, and whether it is cancelled


def fatal_steps(
    make: Callable[[], World], tried: set[str], *, cancelled: bool = False
) -> Iterator[int]:
    """Yield the steps at which a worker that dies leaves a situation that was not `tried` yet.

    Its successors know nothing else: from the same situation they do the same.
    """
    world = make()
    steps = WatchedSteps(look=world.situation)
    world.work(steps)
    world.cancelled = cancelled
    world.finish()
    world.require_one("nobody was killed")
    for step, situation in enumerate(steps.situations):
        if (key := f"{situation} {cancelled}") not in tried:
            tried.add(key)
            yield step


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_worker_may_die_anywhere_whatever_the_provider_answers(
    database: tuple[LateSessions, str], answer: str
) -> None:
    listings = ("complete",) if answer == "refused made" else LISTS
    cases: list[Case] = [*((listing, False) for listing in listings), ("complete", True)]
    tried: set[str] = set()
    for listing, cancelled in cases:

        def make(listing: str = listing) -> World:
            return World(*database, Ledger(answer, listing))

        for fatal in fatal_steps(make, tried, cancelled=cancelled):
            world = make()
            with suppress(KilledError):
                world.work(Steps(fatal))
            world.cancelled = cancelled
            world.finish()
            world.require_one(f"killed at step {fatal}, {answer}, list {listing}")


def test_a_request_that_is_answered_twice_that_nothing_is_there_has_failed(
    database: tuple[LateSessions, str],
) -> None:
    world = World(*database, Ledger("404"))
    assert isinstance(world.step(Steps()), Waiting)
    world.ledger.answer = "404"
    world.sessions.pass_time(seconds=100)
    with pytest.raises(NotFound):
        world.step(Steps())
    world.forget()


@pytest.mark.parametrize(("answer", "requests"), [("conflict", 5), ("refused", 1)])
def test_a_request_that_is_refused_again_and_again_has_failed(
    database: tuple[LateSessions, str], answer: str, requests: int
) -> None:
    world = World(*database, Ledger())
    for _ in range(requests - 1):
        world.ledger.answer = answer
        assert isinstance(world.step(Steps()), Waiting)
        world.sessions.pass_time(seconds=100)
    world.ledger.answer = answer
    with pytest.raises(TunecurveError):
        world.step(Steps())
    row = world.row()
    assert row is not None
    assert (row.state, row.sends) == (OperationState.FAILED, requests)
    world.forget()


def test_a_provider_that_is_away_for_a_day_ends_what_it_never_took(
    database: tuple[LateSessions, str],
) -> None:
    world = World(*database, Ledger("503"))
    assert isinstance(world.step(Steps()), Waiting)
    with world.sessions.transaction() as session:
        session.query(TuningRun).filter_by(job_id=world.job_id).update({"sends": 24 * 60 * 2})
    world.ledger.answer = "503"
    world.sessions.pass_time(seconds=100)
    with pytest.raises(Unavailable):
        world.step(Steps())
    world.forget()


def test_a_request_that_was_carried_out_though_a_second_404_answers_it_is_adopted(
    database: tuple[LateSessions, str],
) -> None:
    world = World(*database, Ledger("404"))
    assert isinstance(world.step(Steps()), Waiting)
    world.ledger.answer = "404 made"
    world.sessions.pass_time(seconds=100)
    world.finish()
    world.require_one("answered twice that nothing is there")
    assert world.end is OperationState.SUCCEEDED


@pytest.mark.parametrize("listing", LIST_ERRORS)
def test_a_worker_may_die_anywhere_about_a_second_404_whatever_its_search_is_answered(
    database: tuple[LateSessions, str], listing: str
) -> None:
    """The search before the second request is answered, the one after it is not."""
    tried: set[str] = set()
    for answer in ("404", "404 made"):

        def make(answer: str = answer) -> World:
            world = World(*database, Ledger("404"))
            world.step(Steps())
            world.ledger.answer = answer
            world.ledger.later_listings = ("complete", listing, "late")
            world.sessions.pass_time(seconds=100)
            return world

        for fatal in fatal_steps(make, tried):
            world = make()
            with suppress(KilledError):
                world.work(Steps(fatal))
            world.finish()
            world.require_one(f"killed at step {fatal} about a second {answer}, list {listing}")


def test_a_stray_is_cancelled_when_its_job_ends_and_named_in_an_event(
    database: tuple[LateSessions, str],
) -> None:
    world = World(*database, Ledger())
    world.step(Steps())
    row = world.row()
    assert row is not None
    world.ledger.create(row.id)
    world.ledger.has_lagged = True  # how there may be a second one still
    world.finish()
    world.require_one("a second one with the same label")
    events = list_events(world.project_id, job_id=world.job_id, sessions=world.sessions)
    assert [each.data.get("why") for each in events if each.type == "job.warning"] == [
        "stray_cancelled"
    ]


def test_one_that_came_too_late_for_its_input_is_not_adopted_in_place_of_one_that_has_it(
    database: tuple[LateSessions, str],
) -> None:
    world = World(*database, Ledger("request lost", reads_late=True, missing="fails"))
    world.step(Steps())
    world.ledger.answer = "answer lost"
    world.sessions.pass_time(seconds=100)
    world.step(Steps())
    row = world.row()
    assert row is not None
    late = Entry("projects/1/locations/here/jobs/late", row.id, f"memory:{row.staged_in}/a/0.jsonl")
    world.ledger.entries.insert(0, late)
    world.finish()
    world.require_one("a request that came late, and one whose answer was lost")
    assert (world.end, late.state) == (OperationState.SUCCEEDED, OperationState.CANCELLED)


@pytest.mark.parametrize(
    ("done", "statistics", "is_unread"), [(0, {}, True), (1, {}, False), (0, {"rows": 1}, False)]
)
def test_a_failed_tuning_has_read_its_rows_where_it_has_counted_them_or_trained(
    done: int,
    statistics: dict[str, int],
    *,
    is_unread: bool,
) -> None:
    progress = {"done": done, "total": 4, "unit": "epochs"}
    row = TuningRun(
        provider_state="JOB_STATE_FAILED", progress=progress, result={"statistics": statistics}
    )
    assert row.is_unread == is_unread


def test_of_several_the_oldest_open_one_is_adopted() -> None:
    ended, older, newer = (
        FoundOperation("projects/p/locations/l/x/1", is_open=False),
        FoundOperation("projects/p/locations/l/x/2", is_open=True),
        FoundOperation("projects/p/locations/l/x/3", is_open=True),
    )
    assert adopted([ended, older, newer]) == older.resource_name
    assert adopted([ended]) == ended.resource_name
    assert strays_of([ended, older, newer], "projects/77/locations/l/x/2") == [newer.resource_name]


def test_operations_wait_in_line_for_a_quota_in_the_order_of_their_arrival(
    database: tuple[LateSessions, str],
) -> None:
    ledger = Ledger()
    first, second, third = (World(*database, ledger, most_open=1) for _ in range(3))
    assert first.step(Steps()) == Waiting(Reason.PROVIDER)
    waits: list[Any] = [world.step(Steps()) for world in (second, third)]
    assert [each.reason for each in waits] == [Reason.QUOTA, Reason.QUOTA]
    assert len(ledger.entries) == 1
    with first.sessions.reading() as session:
        places = places_in_line(session, TuningRun)
    assert places == {second.job_id: 1, third.job_id: 2}

    third_again: Any = third.step(Steps())
    assert third_again.reason is Reason.QUOTA
    first.finish()
    third_again = third.step(Steps())
    assert third_again.reason is Reason.QUOTA  # it is the second one's turn
    assert second.step(Steps()) == Waiting(Reason.PROVIDER)

    third.cancelled = True
    with pytest.raises(JobCancelled):
        third.step(Steps())
    assert len(ledger.entries) == 2
    second.finish()
    for world in (first, second, third):
        world.forget()


def test_a_search_is_never_concluded_from_a_list_that_was_cut(
    database: tuple[LateSessions, str],
) -> None:
    world = World(*database, Ledger("answer lost", "away"))
    world.step(Steps())
    world.sessions.pass_time(seconds=100)
    waiting: Any = world.step(Steps())
    assert waiting.reason is Reason.RETRY
    assert len(world.ledger.entries) == 1
    world.finish()
    world.require_one("a list that was cut")
    with pytest.raises(Unavailable):
        Ledger(listing="away").find("x")
