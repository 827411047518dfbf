"""What the one writer of predictions stores, and what it leaves for a later run."""

import pytest

from service.errors import Unavailable
from service.evaluation.plans.plan import plan_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.stages.prediction_writer import UNREACHED_LIMIT, PredictionWriter
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome
from tests.service.evaluation.conftest import Room
from tests.support.runs import MemoryRun


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
    spec = EvaluateSpec.model_validate(run.spec)
    plan = plan_evaluation(run, spec, services=room.evaluation_services)
    assert plan
    return PredictionWriter(run, plan, price=None)


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
