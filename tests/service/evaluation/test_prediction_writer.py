"""A call that reached nobody is no answer: its row stays missing, and a long silence ends a run."""

import pytest

from service.errors import Unavailable
from service.evaluation.answers import SILENCE, Answers
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome


def request(key: str) -> GenerationRequest:
    return GenerationRequest(key, "m", "m", "global", ())


def answered(key: str) -> GenerationResult:
    return GenerationResult(request(key), Generation(Outcome.OK, text="yes"), 1)


def refused(key: str) -> GenerationResult:
    return GenerationResult(request(key), Generation(Outcome.FAILED, error="400"), 1)


def unreached(key: str) -> GenerationResult:
    return GenerationResult(request(key), Generation(Outcome.FAILED), 6, reached=False)


def test_what_came_is_stored_and_what_reached_nobody_is_asked_again() -> None:
    stored: list[str] = []
    answers = Answers(lambda batch: stored.extend(answer.key for answer in batch))
    answers.take([answered("a"), unreached("b"), refused("c")])
    assert stored == ["a", "c"]
    answers.check()
    with pytest.raises(Unavailable):
        answers.close()


def test_a_run_without_losses_ends_well() -> None:
    answers = Answers(lambda _batch: None)
    answers.take([answered("a"), refused("b")])
    answers.close()
    assert answers.stored == 2


def test_silence_ends_a_run_and_any_answer_breaks_it() -> None:
    answers = Answers(lambda _batch: None)
    for number in range(SILENCE - 1):
        answers.take([unreached(str(number))])
    answers.take([answered("a")])
    answers.check()
    for number in range(SILENCE):
        answers.take([unreached(str(number))])
    with pytest.raises(Unavailable):
        answers.check()
