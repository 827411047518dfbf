"""How sure a model says it is that an answer is right, in words of a scale. Pure.

Words instead of numbers, as models separate them better. Source: Tian et al. (2023), Just ask for
calibration; the words stand near the numbers that people give them (Mosteller and Youtz, 1990,
Quantifying probabilistic expressions).
"""

import json
from collections.abc import Sequence

from service.evaluation.metrics.normal_forms import normalise
from service.evaluation.prompts import enclosed

SCALE = {
    "very unlikely": 0.1,
    "unlikely": 0.2,
    "as likely as not": 0.5,
    "likely": 0.7,
    "very likely": 0.9,
}
_WORDS = tuple(SCALE)
_QUESTION = (
    "Below stand a task and the answer that somebody gave. How likely is it that the answer is "
    "right? Reply with one of these options only: {options}."
)
# Below it the words are not repeatable, or say nothing of right and wrong: then they are not used.
# 0.4 is where agreement begins to be moderate: Landis and Koch (1977).
LEAST_RETEST_KAPPA, LEAST_AUROC = 0.4, 0.6


def verbal_prompt(task: str, answer: str, *, turn: int) -> str:
    """Return what asks how likely an answer is right; odd turns show the scale the other way."""
    question = _QUESTION.format(options=", ".join(scale_of(turn)))
    return f"{question}\n\n{enclosed({'task': task, 'answer': answer})}"


def scale_of(turn: int) -> tuple[str, ...]:
    return _WORDS[::-1] if turn % 2 else _WORDS


def verbal_format(turn: int) -> str:
    """Return the members of `generationConfig` that hold the reply to the scale, as JSON."""
    schema = {"type": "STRING", "enum": list(scale_of(turn))}
    return json.dumps({"responseMimeType": "text/x.enum", "responseSchema": schema})


def read_verbal(text: str) -> int | None:
    """Return the place of a reply on the scale, from 0; None where it is none of its words."""
    folded = normalise(text)
    return next((at for at, word in enumerate(_WORDS) if normalise(word) == folded), None)


def verbal_confidence(replies: Sequence[int | None]) -> float | None:
    """Return the mean of the numbers that the replies stand for; None without a readable one."""
    values = [SCALE[_WORDS[each]] for each in replies if each is not None]
    return sum(values) / len(values) if values else None
