"""Examples as training lines: Gemini's `contents`, OpenAI's chats, and Gemini's two older forms."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from service.datasets.examples import Example, user_turn
from service.errors import Invalid
from service.registry import Registry

# `json.dumps` with options builds an encoder for each line.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def training_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield one line for each example, turn by turn; the same bytes always.

    Source: Vertex AI, supervised tuning, "Prepare the training data". The preset's instruction
    stands in the user's turn, so that tuned and prompted models get the same prompt;
    what an example's own system says is its `systemInstruction`.
    """
    for example in examples:
        yield _ENCODER.encode(_record(instruction, example)).encode() + b"\n"


def _record(instruction: str, example: Example) -> dict[str, Any]:
    contents = [
        *(_content(turn.role, turn.text) for turn in example.history),
        _content("user", user_turn(instruction, example.text)),
        _content("model", example.target),
    ]
    if not example.system:
        return {"contents": contents}
    return {"systemInstruction": _content("system", example.system), "contents": contents}


def preference_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield one line for each pair, as Vertex AI's preference tuning takes them.

    Source: Vertex AI, preference tuning, "Prepare preference tuning data": the contents end with
    the user, and of two completions one has the score 1.
    """
    for example in examples:
        record = _record(instruction, example)
        chosen = record["contents"].pop()
        answers = ((1, chosen), (0, _content("model", example.rejected)))
        record["completions"] = [{"score": score, "completion": said} for score, said in answers]
        yield _ENCODER.encode(record).encode() + b"\n"


def _content(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


Writer = Callable[[str, Iterable[Example]], Iterator[bytes]]


def openai_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield `messages` with the roles system, user and assistant."""
    return _lines(_messages(instruction, each, model="assistant") for each in examples)


def messages_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield `messages` with the roles system, user and model, as Vertex AI once took them."""
    return _lines(_messages(instruction, each, model="model") for each in examples)


def text_input_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield `text_input` and `output`, as the Gemini API once took them.

    Raises Invalid `several_turns` where an example has turns before its text: the form has no
    place for them.
    """
    return _lines(_text_input(instruction, each) for each in examples)


WRITERS: Registry[Writer] = Registry(
    "form",
    {
        "contents": training_lines,
        "preference": preference_lines,
        "messages": messages_lines,
        "openai": openai_lines,
        "text_input_output": text_input_lines,
    },
)


def _messages(instruction: str, example: Example, *, model: str) -> dict[str, Any]:
    roles = {"user": "user", "model": model}
    system = "\n\n".join(filter(None, (instruction, example.system)))
    turns = [(roles[turn.role], turn.text) for turn in example.history]
    spoken = [("system", system)] if system else []
    return {
        "messages": [
            {"role": role, "content": text}
            for role, text in (*spoken, *turns, ("user", example.text), (model, example.target))
        ]
    }


def _text_input(instruction: str, example: Example) -> dict[str, Any]:
    if example.history:
        message = f"row {example.row} has several turns; text_input and output hold one"
        raise Invalid(message, code="several_turns")
    said = "\n\n".join(filter(None, (example.system, instruction)))
    return {"text_input": user_turn(said, example.text), "output": example.target}


def _lines(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for record in records:
        yield json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
