"""A budget is a hard cap: over threads, over workers that die, to the last call."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from service.database import Sessions
from service.inference.budget_guard import JobBudgetGuard, open_budget_guard, reserve_ahead
from service.inference.ledger import cost_of_job
from service.inference.operations import loop_thread
from service.inference.ports import Outcome
from service.jobs.budgets import BudgetExhausted, holder_of, settle_ahead
from service.jobs.claims import finish_job
from service.jobs.lifecycle import State
from service.jobs.models import Budget, Job, Reservation
from service.jobs.schemas import Job as ShownJob
from service.jobs.schemas import present_job
from service.money import dollars
from service.projects.operations import ensure_project
from tests.service.inference.budgeted_calls import (
    CALL_NANO,
    PRICE,
    Family,
    Spender,
    answer,
    request,
    write,
)
from tests.support.usage import usage_of


def family(sessions: Sessions, *, calls: float) -> Family:
    project_id = ensure_project("default", sessions=sessions)
    limit = int(calls * CALL_NANO)
    return Family(sessions, project_id, write(sessions, project_id, budget_nano=limit))


@contextlib.contextmanager
def spending(of: Family, job_id: str, *, lease_seconds: float = 30) -> Iterator[Spender]:
    with (
        of.run(job_id, lease_seconds=lease_seconds) as run,
        open_budget_guard(run, price=PRICE, sessions=of.sessions) as budget_guard,
    ):
        assert budget_guard is not None
        yield Spender(of, run, budget_guard)


def dying(of: Family, job_id: str, *, calls: int) -> Spender:
    """Return a worker that makes some calls, starts one more and is gone; its lease is over."""
    run = of.run(job_id, lease_seconds=-1)
    with of.sessions.reading() as session:
        holder = holder_of(session, job_id)
    assert holder is not None
    spender = Spender(of, run, JobBudgetGuard(run, holder, price=PRICE))
    spender.spend(calls)
    loop_thread().run(spender.budget_guard.reserve(request("in flight at the kill")))
    return spender


def state_of(of: Family) -> tuple[int, int, int]:
    """Return what the budget has drawn, and what its reservations have drawn and spent."""
    with of.sessions.reading() as session:
        budget = session.get_one(Budget, of.root_id)
        rows = session.query(Reservation).filter_by(root_id=of.root_id).all()
        return (
            budget.drawn_nano,
            sum(row.drawn_nano for row in rows),
            sum(row.spent_nano for row in rows),
        )


def present(sessions: Sessions, job_id: str) -> ShownJob:
    with sessions.reading() as session:
        return present_job(session.get_one(Job, job_id))


def test_what_fits_is_spent_and_the_rest_is_given_back(sessions: Sessions) -> None:
    of = family(sessions, calls=50)
    with spending(of, of.root_id) as spender:
        spender.spend(20)

    assert state_of(of) == (20 * CALL_NANO, 20 * CALL_NANO, 20 * CALL_NANO)
    with sessions.reading() as session:
        cost = cost_of_job(session, of.root_id)
    assert cost["actual"] == dollars(20 * CALL_NANO)
    assert cost["reserved"] == "0.00"
    assert cost["requests"] == 20


def test_two_workers_never_exceed_one_budget_and_use_it_up(sessions: Sessions) -> None:
    of = family(sessions, calls=60.5)
    with spending(of, of.child()) as first, spending(of, of.child()) as second:
        with ThreadPoolExecutor(2) as threads:
            ends = [threads.submit(spender.spend, 100) for spender in (first, second)]
            errors = [end.exception(timeout=300) for end in ends]
        made = len(first.made) + len(second.made)

    assert [type(error) for error in errors] == [BudgetExhausted, BudgetExhausted]
    assert made == 60
    assert state_of(of) == (60 * CALL_NANO,) * 3


def test_a_call_waits_for_what_calls_in_flight_may_give_back(sessions: Sessions) -> None:
    of = family(sessions, calls=10)
    with spending(of, of.root_id) as spender:
        spender.spend(10, at_once=10)  # at first only a part of them fits

    assert len(spender.made) == 10


def test_a_used_up_budget_stops_every_sibling(sessions: Sessions) -> None:
    of = family(sessions, calls=5)
    with (
        spending(of, of.child()) as greedy,
        pytest.raises(BudgetExhausted, match=r"of 0\.0005 USD"),
    ):
        greedy.spend(50)

    with spending(of, of.child()) as sibling, pytest.raises(BudgetExhausted) as caught:
        sibling.spend(1)

    assert caught.value.code == "budget_exhausted"
    assert not sibling.made


def test_a_take_over_loses_no_reservation(sessions: Sessions) -> None:
    of = family(sessions, calls=20)
    job = of.child()
    dying(of, job, calls=3)

    with spending(of, job) as spender:
        spender.spend(17)

    assert state_of(of) == (20 * CALL_NANO,) * 3


def test_what_a_dead_sibling_held_is_taken_back_before_anybody_is_refused(
    sessions: Sessions,
) -> None:
    of = family(sessions, calls=20)
    dying(of, of.child(), calls=3)

    with spending(of, of.child()) as spender:
        spender.spend(17)

    assert state_of(of) == (20 * CALL_NANO,) * 3


def test_a_lost_try_counts_as_billed_in_budget_and_ledger(sessions: Sessions) -> None:
    of = family(sessions, calls=20)
    with spending(of, of.root_id) as spender:
        sent = request("timed out once")
        for _ in range(2):
            loop_thread().run(spender.budget_guard.reserve(sent))
        answered = answer(sent)
        lost = replace(answered.generation, outcome=Outcome.FAILED, uncounted=True)
        spender.store([replace(answered, attempts=2, lost=(lost,))])

    with sessions.reading() as session:
        paid = usage_of(session, [of.root_id])
    assert (paid.cost_nano, paid.uncounted_nano) == (2 * CALL_NANO, CALL_NANO)
    assert state_of(of)[2] == 2 * CALL_NANO


def test_money_held_ahead_survives_waiting_and_is_settled_once(sessions: Sessions) -> None:
    of = family(sessions, calls=10)
    with of.run(of.child()) as run:
        reserve_ahead(run, 6 * CALL_NANO, what="the tuning")
        reserve_ahead(run, 8 * CALL_NANO, what="the tuning")
        with sessions.transaction() as session:
            assert cost_of_job(session, of.root_id)["reserved"] == dollars(8 * CALL_NANO)
            settle_ahead(session, run.id, 3 * CALL_NANO)

    assert state_of(of) == (3 * CALL_NANO,) * 3


def test_work_that_does_not_fit_is_refused_before_it_starts(sessions: Sessions) -> None:
    of = family(sessions, calls=10)
    with of.run(of.child()) as run, pytest.raises(BudgetExhausted, match="the tuning"):
        reserve_ahead(run, 11 * CALL_NANO, what="the tuning")

    assert state_of(of)[0] == 0


def test_without_a_budget_there_is_no_budget_guard(sessions: Sessions) -> None:
    project_id = ensure_project("default", sessions=sessions)
    of = Family(sessions, project_id, write(sessions, project_id))
    with (
        of.run(of.root_id) as run,
        open_budget_guard(run, price=None, sessions=sessions) as budget_guard,
    ):
        reserve_ahead(run, 10**15, what="the tuning")

    assert budget_guard is None
    with sessions.reading() as session:
        assert "reserved" not in cost_of_job(session, of.root_id)


def test_a_budget_for_a_model_without_a_price_is_refused_at_the_budget_guard(
    sessions: Sessions,
) -> None:
    of = family(sessions, calls=10)
    with (
        of.run(of.root_id) as run,
        pytest.raises(BudgetExhausted, match="no price") as caught,
        open_budget_guard(run, price=None, sessions=sessions),
    ):
        pass

    assert caught.value.code == "price_unknown"


def test_a_job_that_ends_keeps_its_cost_with_that_of_its_children(sessions: Sessions) -> None:
    of = family(sessions, calls=10)
    with spending(of, of.child()) as spender:
        spender.spend(4)
    with of.run(of.root_id) as run:
        with sessions.reading() as session:
            cost = cost_of_job(session, of.root_id)
        finish_job(of.root_id, State.SUCCEEDED, token=run.token, sessions=sessions, cost=cost)
        shown = present(sessions, of.root_id)

    assert shown.cost.actual == "0.0004"
    assert shown.cost.output_tokens == 160
    assert shown.budget is not None
    assert shown.budget.amount == "0.001"
