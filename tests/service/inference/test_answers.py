"""Every shape of answer that was ever recorded is read, and says what happened."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.inference.batches.files import open_answers
from service.inference.generators.messages import piece_of, read_answer, text_of
from service.inference.ports import Outcome
from service.inference.retry import Refusal, classify
from tests.service.inference.recorded import firebase_answers, interactions, needs_recordings


def answer(*parts: dict[str, Any], reason: str = "STOP", **usage: int) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}
    return {"candidates": [candidate], "usageMetadata": usage}


def test_text_parts_are_joined_and_thoughts_are_skipped() -> None:
    thought = {"text": "let me see", "thought": True}
    read = read_answer(answer(thought, {"text": "posi"}, {"text": "tive"}))
    assert (read.outcome, read.text, read.finish_reason) == (Outcome.OK, "positive", "STOP")


def test_thoughts_are_billed_as_output_and_unknown_usage_passes() -> None:
    read = read_answer(
        answer(
            {"text": "a"}, promptTokenCount=7, candidatesTokenCount=2, thoughtsTokenCount=30, x=1
        )
    )
    assert (read.prompt_tokens, read.output_tokens) == (7, 32)
    assert read.usage["x"] == 1


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({}, Outcome.UNPARSABLE),
        ({"this": [{"is": "no answer"}]}, Outcome.UNPARSABLE),
        ({"usageMetadata": {"promptTokenCount": 4}}, Outcome.EMPTY),
        ({"candidates": []}, Outcome.EMPTY),
        ({"candidates": [{"finishReason": "SAFETY"}]}, Outcome.REFUSED),
        ({"promptFeedback": {"blockReason": "NEW_REASON"}}, Outcome.REFUSED),
        ({"candidates": [{"finishReason": "MAX_TOKENS", "content": {}}]}, Outcome.TRUNCATED),
        ({"candidates": [{"content": {}}]}, Outcome.UNPARSABLE),
        ({"candidates": [{"content": {}, "finishReason": "STOP"}]}, Outcome.EMPTY),
        (answer({"text": ""}), Outcome.EMPTY),
        (answer({"text": "hm", "thought": True}), Outcome.EMPTY),
        ({"candidates": [None]}, Outcome.UNPARSABLE),
        (answer({"text": None}), Outcome.EMPTY),
        (answer({"text": {"label": "x"}}), Outcome.EMPTY),
        (answer({"functionCall": {"name": "f"}}), Outcome.UNPARSABLE),
        (answer({"text": "a"}, reason="NEVER_SEEN"), Outcome.UNPARSABLE),
        (answer({"text": "a"}, reason="RECITATION"), Outcome.REFUSED),
    ],
)
def test_odd_answers_have_an_outcome(body: dict[str, Any], outcome: Outcome) -> None:
    assert read_answer(body).outcome is outcome


@pytest.mark.parametrize(
    "chosen",
    [
        5,
        {"token": "a"},
        [],
        [None, {"logProbability": "-1"}],
        [{"logProbability": True}],
        [{"logProbability": float("nan")}],
        [{"logProbability": float("-inf")}],
        [{"logProbability": -(10**400)}],
    ],
)
def test_what_is_no_log_probability_says_nothing_of_how_sure_an_answer_is(chosen: object) -> None:
    body = answer({"text": "a"})
    body["candidates"][0]["logprobsResult"] = {"chosenCandidates": chosen}
    read = read_answer(body)
    assert (read.outcome, read.logprob) == (Outcome.OK, None)


def test_long_numbers_come_as_texts_and_no_other_text_is_a_count() -> None:
    usage: dict[str, Any] = {"promptTokenCount": "7", "candidatesTokenCount": "many"}
    read = read_answer(answer({"text": "a"}) | {"usageMetadata": usage})
    assert (read.prompt_tokens, read.output_tokens) == (7, 0)
    usage = {"promptTokenCount": True, "candidatesTokenCount": "9" * 400}
    read = read_answer(answer({"text": "a"}) | {"usageMetadata": usage})
    assert (read.prompt_tokens, read.output_tokens) == (0, 0)


_DEEP = b"[" * 100_000


def test_json_that_is_nested_too_deeply_is_no_answer_wherever_it_comes() -> None:
    assert classify(500, _DEEP, {}).kind is Refusal.TRANSIENT
    assert piece_of(b"data:" + _DEEP) is None
    with open_answers([_DEEP + b"\n"]) as answers:
        assert answers.find("0") is None


def test_a_piece_of_odd_parts_has_the_texts_that_are_there() -> None:
    parts = ["a", None, {"text": 5}, {"text": "b"}, {"text": "c", "thought": True}]
    assert text_of({"candidates": [{"content": {"parts": parts}}]}) == "b"
    assert text_of({"candidates": [{"content": ["parts"]}]}) == ""


def test_an_answer_cut_short_keeps_its_text_and_a_withheld_one_does_not() -> None:
    assert read_answer(answer({"text": "abc"}, reason="MAX_TOKENS")).text == "abc"
    assert read_answer(answer({"text": "abc"}, reason="SAFETY")).text == ""


NAMES = (
    "candidates",
    "content",
    "parts",
    "text",
    "thought",
    "finishReason",
    "usageMetadata",
    "promptFeedback",
    "blockReason",
    "promptTokenCount",
    "thoughtsTokenCount",
)
names = st.sampled_from(NAMES)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # to draw takes long on a busy machine
@given(st.dictionaries(names, json_values, max_size=6))
def test_no_json_object_makes_the_reader_fail(body: dict[str, Any]) -> None:
    read = read_answer(body)
    assert read.outcome in (Outcome.OK, Outcome.TRUNCATED) or not read.text


@needs_recordings
def test_every_recorded_answer_of_the_firebase_suite_is_read() -> None:
    firebase = firebase_answers()
    answers = {
        name: read_answer(body)
        for name, body in firebase.items()
        if "error" not in body and "predictions" not in body and "totalTokens" not in body
    }
    assert len(answers) >= 40
    outcomes = {name: read.outcome for name, read in answers.items()}
    for name, outcome in outcomes.items():
        if name == "unary-success-empty-text-part.json":
            assert outcome is Outcome.EMPTY
        elif name.startswith("unary-success") and has_text(firebase[name]):
            assert outcome is Outcome.OK, name
        if name.startswith(("unary-failure-finish-reason-safety", "unary-failure-prompt-blocked")):
            assert outcome is Outcome.REFUSED, name
    assert outcomes["unary-failure-unknown-enum-prompt-blocked.json"] is Outcome.REFUSED
    assert outcomes["unary-failure-unknown-enum-finish-reason.json"] is Outcome.UNPARSABLE
    assert outcomes["unary-failure-invalid-response.json"] is Outcome.UNPARSABLE


@needs_recordings
def test_every_recorded_call_is_read_and_its_tokens_add_up() -> None:
    bodies = [body for status, body in interactions() if status == 200]
    assert len(bodies) > 130
    for body in bodies:
        read = read_answer(body)
        total = read.usage.get("totalTokenCount", 0)
        tools = read.usage.get("toolUsePromptTokenCount", 0)
        assert read.prompt_tokens + read.output_tokens + tools == total
        assert (read.error == "no text in the answer") <= (not has_text(body))


def has_text(body: dict[str, Any]) -> bool:
    parts = [
        part
        for candidate in body.get("candidates") or []
        for part in candidate.get("content", {}).get("parts") or []
    ]
    return any("text" in part and not part.get("thought") for part in parts)
