"""The files of a batch: our key goes out and comes back, in any order, among damaged lines."""

import json
from typing import Any

from service.inference.batches.files import open_answers, request_lines
from service.inference.generators.messages import body_of
from service.inference.ports import GenerationRequest, Outcome, Turn
from tests.support.shared_data import shared_data

REQUEST = GenerationRequest(
    key="ex-1/0",
    target="gemini-3.1-flash-lite",
    base_model="gemini-3.1-flash-lite",
    location="us",
    contents=(Turn("user", "Grüße\n\u2028\ud800"),),
    seed=1,
)


def answered(key: Any, text: str, **more: Any) -> bytes:
    candidate = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2}
    response = {"candidates": [candidate], "usageMetadata": usage}
    return json.dumps({"key": key, "status": "", "response": response} | more).encode() + b"\n"


def test_a_request_is_one_line_with_its_key_beside_it() -> None:
    (line,) = request_lines([REQUEST])
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"key": "ex-1/0", "request": body_of(REQUEST)}


def test_answers_are_found_by_key_in_whatever_order_they_came() -> None:
    lines = [answered(f"ex-{number}/0", f"text {number}") for number in reversed(range(300))]
    with open_answers(lines) as answers:
        for number in (0, 299, 150):
            found = answers.find(f"ex-{number}/0")
            assert found is not None
            assert (found.outcome, found.text) == (Outcome.OK, f"text {number}")
            assert (found.prompt_tokens, found.output_tokens) == (3, 2)
        assert answers.find("ex-300/0") is None


def test_a_row_that_failed_alone_and_a_damaged_line_are_missing() -> None:
    lines = [
        answered("failed", "x", status="Bad Request: {}"),
        answered("empty", "x", response={}),
        answered(7, "a key of another type"),
        b"",
        b"{\xff",
        b"[1]",
        b'{"key": "half", "response": {"candid',
        answered("last", "fine").rstrip(b"\n"),
    ]
    with open_answers(lines) as answers:
        for key in ("failed", "empty", "7", "half"):
            assert answers.find(key) is None
        last = answers.find("last")
        assert last is not None
        assert last.text == "fine"


def test_of_two_lines_about_a_request_the_answer_counts() -> None:
    failed = answered("ex", "", status="Internal: {}")
    for lines in ([failed, answered("ex", "fine")], [answered("ex", "fine"), failed]):
        with open_answers(lines) as answers:
            found = answers.find("ex")
            assert found is not None
            assert found.text == "fine"


def test_a_refusal_is_an_answer() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    with open_answers([answered("ex", "", response=blocked)]) as answers:
        found = answers.find("ex")
        assert found is not None
        assert found.outcome is Outcome.REFUSED


def test_a_recorded_line_is_read() -> None:
    file = shared_data("gemini/vertex_batch_prediction_output.jsonl")
    lines = [
        json.dumps(json.loads(line) | {"key": str(number)}).encode()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines())
    ]
    with open_answers(lines) as answers:
        outcomes = {
            found.outcome for number in range(len(lines)) if (found := answers.find(str(number)))
        }
    assert outcomes == {Outcome.OK}
