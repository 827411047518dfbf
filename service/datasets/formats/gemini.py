"""What Gemini is tuned on: JSON Lines of `contents`."""

import json
from collections.abc import Iterable, Iterator

from service.datasets.examples import Example, user_turn


def training_lines(instruction: str, examples: Iterable[Example]) -> Iterator[bytes]:
    """Yield one line for each example, a user's turn and the model's; the same bytes always.

    Source: Vertex AI, supervised tuning, "Prepare the training data". The instruction stands in
    the user's turn, so that tuned and prompted models are asked in the same words.
    """
    for example in examples:
        turns = [
            {"role": "user", "parts": [{"text": user_turn(instruction, example.text)}]},
            {"role": "model", "parts": [{"text": example.target}]},
        ]
        line = json.dumps({"contents": turns}, ensure_ascii=False, separators=(",", ":"))
        yield line.encode() + b"\n"
