"""What the one writer of predictions stores, and what it leaves for a later run."""

from contextlib import AbstractContextManager
from dataclasses import fields, replace

import pytest

from service.catalogue.prices import CallPrice, UsageTotals
from service.database import Session
from service.errors import Unavailable
from service.evaluation.lanes import Lane
from service.evaluation.plans.plan import plan_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.stages.prediction_writer import UNREACHED_LIMIT, PredictionWriter
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome
from service.jobs.ports import LeaseLost
from tests.service.evaluation.conftest import Room
from tests.support.runs import MemoryRun
from tests.support.usage import usage_of

PRICE = CallPrice(input=100_000, output=1_000_000, cached_input=10_000)
LOST = Generation(Outcome.FAILED, prompt_tokens=7, output_tokens=3, uncounted=True)


class TakenOver(MemoryRun):
    """A run whose job another worker has taken over."""

    def fenced(self) -> AbstractContextManager[Session]:
        raise LeaseLost


def request(key: str) -> GenerationRequest:
    return GenerationRequest(f"{key}/0", "m", "m", "global", ())


def answered(key: str) -> GenerationResult:
    return GenerationResult(request(key), Generation(Outcome.OK, text="yes"), 1)


def refused(key: str) -> GenerationResult:
    return GenerationResult(request(key), Generation(Outcome.FAILED, error="400"), 1)


def unreached(key: str) -> GenerationResult:
    return GenerationResult(request(key), Generation(Outcome.FAILED), 6, reached=False)


@pytest.fixture
def run(room: Room) -> MemoryRun:
    return room.reserve()


@pytest.fixture
def writer(room: Room, run: MemoryRun) -> PredictionWriter:
    return writer_of(room, run, run)


def writer_of(
    room: Room, run: MemoryRun, writing: MemoryRun, *, lane: Lane = Lane.ONLINE
) -> PredictionWriter:
    spec = EvaluateSpec.model_validate(run.spec)
    plan = plan_evaluation(run, spec, services=room.evaluation_services)
    assert plan
    return PredictionWriter(writing, plan, price=PRICE, sessions=room.sessions, lane=lane)


def used_by(room: Room, run: MemoryRun) -> UsageTotals:
    with room.sessions.reading() as session:
        return usage_of(session, [run.id])


def test_what_came_is_stored_and_what_reached_no_provider_is_left_for_a_later_run(
    room: Room, run: MemoryRun, writer: PredictionWriter
) -> None:
    writer.write([answered("a"), unreached("b"), refused("c")])
    stored = {row.example_id: (row.outcome, row.text, row.error) for row in room.stored(run)}
    assert stored == {"a": ("ok", "yes", ""), "c": ("failed", "", "400")}
    writer.check()
    with pytest.raises(Unavailable):
        writer.close()


def test_a_run_without_losses_ends_well(writer: PredictionWriter) -> None:
    writer.write([answered("a"), refused("b")])
    writer.close()
    assert writer.stored == 2


def test_silence_ends_a_run_and_any_answer_breaks_it(writer: PredictionWriter) -> None:
    for number in range(UNREACHED_LIMIT - 1):
        writer.write([unreached(str(number))])
    writer.write([answered("a")])
    writer.check()
    for number in range(UNREACHED_LIMIT):
        writer.write([unreached(str(number))])
    with pytest.raises(Unavailable):
        writer.check()


def test_what_a_call_without_an_answer_may_have_cost_is_entered_as_estimated(
    room: Room, run: MemoryRun, writer: PredictionWriter
) -> None:
    writer.write([unreached("a")])
    assert used_by(room, run) == UsageTotals()

    writer.write([replace(unreached("b"), lost=(LOST, LOST))])
    writer.write([replace(unreached("c"), lost=(LOST,), abandoned=True)])

    used = used_by(room, run)
    cost = 3 * PRICE.cost(prompt_tokens=7, output_tokens=3)
    assert (used.requests, used.known_nano, used.uncounted_nano) == (3, cost, cost)
    assert room.stored(run) == []


@pytest.mark.parametrize("lane", [Lane.ONLINE, Lane.BATCH])
def test_what_a_run_was_answered_after_it_lost_its_job_was_paid_all_the_same(
    room: Room, run: MemoryRun, lane: Lane
) -> None:
    taken_over = TakenOver(*(getattr(run, each.name) for each in fields(run)))
    writer = writer_of(room, run, taken_over, lane=lane)
    if lane is Lane.ONLINE:
        writer.write([answered("a"), refused("b")])
        assert used_by(room, run).requests == 2
    else:  # whoever has the job now reads the same answers
        with pytest.raises(LeaseLost):
            writer.write([answered("a")])
        assert used_by(room, run) == UsageTotals()
    assert room.stored(run) == []
