"""The prototype of the learner, run on the same rows, where its folder is on this machine."""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from emulator_scores import Pair
from emulator_tasks import DATA

FOLDER = DATA.parent / "prototypes"
EPOCHS, BITS = 5, 16


def is_here() -> bool:
    return (FOLDER / "toy_learner.py").exists()


def ask_prototype(prompts: Sequence[str]) -> list[str]:
    """Return the answers of its un-tuned model; what stands before the last field instructs it."""
    base = _module("toy_base")
    answers = []
    for prompt in prompts:
        instruction, _, body = prompt.partition("\n\n")
        answers.append(str(base.answer(instruction, body.removeprefix("Text: "))))
    return answers


def tune_prototype(pairs: Sequence[Pair], prompts: Sequence[str]) -> list[str]:
    """Return the answers after training with the settings of its published figures."""
    learner = _module("toy_learner").ToyLearner(epochs=EPOCHS, bits=BITS, base=_module("toy_base"))
    learner.fit(pairs)
    return [str(answer) for answer in learner.predict_many(list(prompts))]


def _module(name: str) -> Any:
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)
