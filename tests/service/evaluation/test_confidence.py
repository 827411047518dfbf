"""Confidence of answers through an evaluation: votes, a judge's words, log-probabilities."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from service.errors import Invalid
from service.evaluation.scoring.verbal import read_verbal, scale_of, verbal_confidence
from service.inference.ports import Generation, GenerationRequest, Outcome
from service.jobs.ports import Preempted
from tests.service.evaluation.conftest import ROWS, Oracle, Room
from tests.support.runs import MemoryRun


def is_judging(request: GenerationRequest) -> bool:
    return "How likely" in request.contents[-1].text


@dataclass
class SureOracle(Oracle):
    """Answers are `yes` or `no` by seed; a judge says what `words` have for its turn."""

    words: tuple[str, ...] = ("likely", "very likely")
    logprob: float | None = -0.5

    async def generate(self, request: GenerationRequest) -> Generation:
        if not is_judging(request):
            answer = await super().generate(request)
            return replace(answer, logprob=self.logprob if request.settings.logprobs else None)
        await super().generate(request)
        text = self.words[(request.seed or 0) % len(self.words)]
        return Generation(Outcome.OK, text=text, prompt_tokens=9, output_tokens=1, synthetic=True)


def reports(room: Room, run: MemoryRun) -> list[dict[str, Any]]:
    found = room.evaluate(run).confidence
    assert found is not None
    return found


def test_rows_and_reports_have_the_confidence_of_each_source(room: Room) -> None:
    room.oracle = SureOracle()
    spec = {"samples": 3, "temperature": 1.0, "logprobs": True, "verbal": {"repeats": 2}}

    evaluation = room.evaluate(room.reserve(metrics=["exact_match"], **spec))

    rows = room.table(evaluation)
    assert {row["confidence"] for row in rows} == {2 / 3}  # seeds 1 and 2 say yes
    assert {row["verbal_confidence"] for row in rows} == {0.8}
    assert {row["logprob"] for row in rows} == {-0.5}
    assert evaluation.confidence is not None
    found = {each["source"]: each for each in evaluation.confidence}
    assert list(found) == ["vote", "verbal", "logprob"]
    assert all(each["rows"] == ROWS for each in found.values())
    assert found["vote"]["ece"] == pytest.approx(2 / 3)  # nothing is right
    assert found["vote"]["auroc"] is None
    judging = [each for each in room.oracle.asked if is_judging(each)]
    assert len(judging) == 2 * ROWS
    assert {each.settings.response_format.count("very likely") for each in judging} == {1}


def test_a_judge_that_says_the_same_of_all_or_does_not_repeat_itself_is_not_used(
    room: Room,
) -> None:
    for words, caution in (
        (("likely",), "the judge says the same of every answer"),
        (("very unlikely", "very likely"), "the judge does not repeat itself"),
    ):
        room.oracle = SureOracle(words=words)
        run = room.reserve(metrics=["exact_match"], verbal={"repeats": 2})
        report = reports(room, run)[0]
        assert not report["used"]
        assert report["automation"] == []
        assert report["caution"].startswith(caution)


def test_a_judge_is_not_asked_again_by_a_run_that_continues(room: Room) -> None:
    room.oracle = SureOracle()
    run = room.reserve(metrics=["exact_match"], verbal={"repeats": 2})
    room.oracle.run, room.oracle.requeue_after = run, ROWS + 10
    with pytest.raises(Preempted):
        room.evaluate(run)
    run.preempted = False
    room.oracle.run = None

    room.evaluate(run)

    judged = [(each.key, each.seed) for each in room.oracle.asked if is_judging(each)]
    assert len(judged) == len(set(judged)) == 2 * ROWS


def test_a_model_that_returns_no_log_probabilities_is_reported(room: Room) -> None:
    room.oracle = SureOracle(logprob=None)
    report = reports(room, room.reserve(logprobs=True))[0]
    assert (report["rows"], report["used"]) == (0, False)
    assert report["caution"] == "the model returned no log-probabilities"


def test_votes_of_a_model_that_ignores_the_temperature_are_refused(room: Room) -> None:
    with pytest.raises(Invalid) as refused:
        room.reserve(samples=3, temperature=1.0, base_model="gemini-3.6-flash")
    assert refused.value.code == "temperature_ignored"
    assert refused.value.faults[0].pointer == "/spec/samples"


def test_replies_are_words_of_the_scale() -> None:
    assert read_verbal(" Very likely.") == 4
    assert read_verbal("surely") is None
    assert verbal_confidence([4, None, 3]) == pytest.approx(0.8)
    assert verbal_confidence([None]) is None
    assert scale_of(0) == scale_of(1)[::-1]
