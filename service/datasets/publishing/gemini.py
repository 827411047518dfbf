"""What Gemini is tuned on: JSON Lines of `contents`."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from service.datasets.examples import Example, user_turn

# `json.dumps` with options builds an encoder for each line.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def training_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield one line for each example, turn by turn; the same bytes always.

    Source: Vertex AI, supervised tuning, "Prepare the training data". The preset's instruction
    stands in the user's turn, so that tuned and prompted models are asked in the same words;
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


def _content(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}
