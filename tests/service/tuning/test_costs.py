"""What a tuning will cost is held before it is sent, and the truth is entered when it ends."""

import pytest

from service.datasets.queries import ready_dataset
from service.inference.ledger import cost_of_job
from service.jobs.budgets import BudgetExhausted, open_budget
from service.jobs.models import Budget, Reservation
from service.jobs.ports import JobCancelled
from service.money import NANO, dollars
from service.tuning.billing.bill import bill_of, row_findings
from service.tuning.billing.costs import estimate_training
from service.tuning.inputs.settings import TuningSettings
from service.tuning.models import TuningRun
from service.tuning.queries import get_model
from service.tuning.schemas import HyperparametersSpec, present_model
from tests.service.tuning.conftest import CATALOGUE, TRAIN_SIZE, Tuning
from tests.support.faulty_proxy import FaultyProxy
from tests.support.usage import usage_of


def give_budget(tuning: Tuning, nano: int) -> None:
    with tuning.sessions.transaction() as session:
        open_budget(session, tuning.run.id, nano)


def held(tuning: Tuning) -> int:
    with tuning.sessions.reading() as session:
        row = session.get(Reservation, tuning.run.id)
        return row.drawn_nano - row.spent_nano if row else 0


def test_a_tuning_that_fits_is_held_while_it_runs_and_settled_when_it_ends(tuning: Tuning) -> None:
    give_budget(tuning, 100 * NANO)
    tuning.step()
    reserved = held(tuning)
    tuning.poll_until_ended()
    tuning.step()

    with tuning.sessions.reading() as session:
        used = usage_of(session, [tuning.run.id])
        budget = session.get_one(Budget, tuning.run.id)
        cost = cost_of_job(session, tuning.run.id)
    reported = tuning.tunings()[0]
    assert used.training_tokens == reported["trained_tokens"]
    assert used.cost_nano == CATALOGUE.training_cost(
        "gemini-3.1-flash-lite", tokens=used.training_tokens
    )
    assert 0 < (used.cost_nano or 0) <= reserved
    assert budget.drawn_nano == used.cost_nano
    assert (cost["actual"], cost["reserved"]) == (dollars(used.cost_nano or 0), "0.00")


def test_a_tuning_that_does_not_fit_is_never_sent(tuning: Tuning) -> None:
    give_budget(tuning, NANO // 1000)

    with pytest.raises(BudgetExhausted, match=rf"{TRAIN_SIZE} examples") as caught:
        tuning.step()

    assert caught.value.code == "budget_exhausted"
    assert not caught.value.retryable
    with tuning.sessions.reading() as session:
        assert usage_of(session, [tuning.run.id]).cost_nano == 0
        assert session.query(TuningRun).filter_by(job_id=tuning.run.id).count() == 0


def test_without_a_budget_nothing_is_held(tuning: Tuning) -> None:
    tuning.step()

    assert held(tuning) == 0


def test_a_lost_request_keeps_its_reservation_until_it_is_sent_again(
    tuning: Tuning, proxy: FaultyProxy
) -> None:
    give_budget(tuning, 100 * NANO)
    proxy.lose_next("request")
    tuning.step()
    reserved = held(tuning)
    tuning.step(settled=True)

    assert held(tuning) == reserved > 0


def test_a_tuning_that_is_cancelled_before_it_was_sent_gives_back_what_it_held(
    tuning: Tuning, proxy: FaultyProxy
) -> None:
    give_budget(tuning, 100 * NANO)
    proxy.lose_next("request")
    tuning.step()
    tuning.run.cancelling = True
    with pytest.raises(JobCancelled):
        tuning.step(settled=True)

    assert held(tuning) == 0


def test_plan_and_bill_stand_side_by_side_on_the_model(tuning: Tuning) -> None:
    tuning.step()
    tuning.poll_until_ended()
    tuning.step()
    run = tuning.run
    row = get_model(run.outputs["model"], project_id=run.project_id, sessions=tuning.sessions)
    billing = present_model(row, job=None, tuning=None).billing

    assert billing is not None
    assert billing.planned.epochs_assumed
    assert billing.planned.examples == billing.billed.examples == TRAIN_SIZE
    made = tuning.tunings()[0]
    assert (billing.billed.epochs, billing.billed.tokens) == (
        made["epochs"],
        made["trained_tokens"],
    )
    assert billing.billed.counted
    assert billing.ratio is not None
    assert billing.findings == []


def test_what_a_provider_does_not_tell_counts_as_planned() -> None:
    planned = {"epochs": 40, "tokens": 4000, "examples": 10}
    bill = bill_of({}, planned, base_model="gemini-3.1-flash-lite", catalogue=CATALOGUE)
    assert (bill.epochs, bill.tokens, bill.counted) == (40, 4000, False)
    assert bill.nano == CATALOGUE.training_cost("gemini-3.1-flash-lite", tokens=4000)
    reported = {"training_tokens": 100, "hyperparameters": {"epochs": 3}}
    bill = bill_of(reported, planned, base_model="gemini-3.1-flash-lite", catalogue=CATALOGUE)
    assert (bill.epochs, bill.tokens, bill.counted) == (3, 300, True)


def test_hours_of_googles_tunings_are_not_planned_for_a_training_on_this_machine(
    tuning: Tuning,
) -> None:
    with tuning.sessions.reading() as session:
        view = ready_dataset(
            str(tuning.run.spec["dataset"]), project_id=tuning.run.project_id, session=session
        )
    at_google, here = (
        estimate_training(
            view,
            TuningSettings(base, TRAIN_SIZE, HyperparametersSpec(epochs=3)),
            catalogue=CATALOGUE,
        )
        for base in ("gemini-3.1-flash-lite", "local:gpt2")
    )
    assert at_google.hours is not None
    assert here.hours is None
    assert "local_hours_unknown" in dict(here.notes)


def test_examples_that_only_the_provider_misses_are_findings() -> None:
    reported = {
        "tuning_dataset_example_count": 8,
        "total_truncated_example_count": 2,
        "dropped_example_count": 1,
    }
    codes = [code for code, _ in row_findings(reported, expected=10)]
    assert codes == ["examples_differ", "examples_truncated", "examples_dropped"]
    assert not [*row_findings({"tuning_dataset_example_count": 10}, expected=10)]
