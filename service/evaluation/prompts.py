"""Prompts: the words that ask for an example's answer (instruction, shots, reasoning, input), how a
model is asked to write better ones, and how those that are tried are thinned out. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2

from service.datasets.examples import Example, user_turn
from service.evaluation.metrics.normal_forms import strip_fence
from service.inference.ports import Turn

# What the reader looks for (`answers`): the mark, at the beginning of a line.
ANSWER_MARK = "Answer:"
REASONING = (
    "First reason step by step. Then write the final answer, in the form that was asked for, "
    f"after the mark `{ANSWER_MARK}` on a new last line."
)
_LONGEST = 20_000  # characters, as of an instruction that a user gives
_PROPOSE = (
    "Write a better instruction for the task below. Keep what it says of the form of answers and "
    "of the labels; add what the examples show that it does not say. Reply with the instruction "
    "alone."
)


def instruction_of(instruction: str, *, reasons: bool) -> str:
    """Return the instruction; one that asks for reasoning ends with what marks the answer."""
    return "\n".join(filter(None, (instruction, REASONING if reasons else "")))


def conversation(
    instruction: str, example: Example, *, shots: Sequence[Example] = (), reasons: bool = False
) -> tuple[Turn, ...]:
    """Return the turns that ask for an example's answer; the last one is the user's.

    Without shots they are the very words a tuned model was trained on: the example's history,
    then instruction and text. Shots stand first, each by its last turns, and the instruction
    once, in the first of them. Where the model `reasons`, the answers of shots bear the mark.
    """
    texts = [*(shot.text for shot in shots), example.text]
    history = (Turn(turn.role, turn.text) for turn in example.history)
    texts[0] = user_turn(instruction_of(instruction, reasons=reasons), texts[0])
    questions = [Turn("user", words) for words in texts]
    mark = f"{ANSWER_MARK} " if reasons else ""
    answers = [Turn("model", mark + shot.target) for shot in shots]
    pairs = zip(questions, answers, strict=False)  # the last question has no answer yet
    return (*(turn for pair in pairs for turn in pair), *history, questions[-1])


def task_text(instruction: str, example: Example) -> str:
    """Return all that an answer goes by as one text, for a judge of the answer."""
    said = (f"{turn.role}: {turn.text}" for turn in example.history)
    return "\n\n".join(filter(None, (example.system, instruction, *said, example.text)))


def enclosed(texts: Mapping[str, str]) -> str:
    """Return texts between tags of their names; a tag inside a text closes none of them."""
    tags = re.compile(rf"<(?=/?(?:{'|'.join(texts)})>)", re.IGNORECASE)
    return "\n".join(f"<{name}>\n{tags.sub('< ', text)}\n</{name}>" for name, text in texts.items())


def proposal_prompt(instruction: str, examples: Sequence[Example]) -> str:
    """Return what asks for an instruction; the examples are of the training split."""
    shown = "\n\n".join(
        f"<example>\n{each.text}\n<target>\n{each.target}\n</target>\n</example>"
        for each in examples
    )
    return f"{_PROPOSE}\n\n<instruction>\n{instruction}\n</instruction>\n\n{shown}"


def read_proposal(text: str) -> str:
    """Return the instruction that a model has written; "" where it is none."""
    written = strip_fence(text)
    return written if len(written) <= _LONGEST else ""


@dataclass(frozen=True, slots=True)
class Round:
    """So many prompts are asked the first `rows` validation rows; those asked before count."""

    prompts: int
    rows: int


def plan_rounds(prompts: int, *, rows: int, calls: int) -> tuple[Round, ...]:
    """Return the rounds of a search over `prompts` within so many calls; () where none fits.

    Successive halving: each round gets an equal part of the calls, asks all prompts that are left
    the same rows, and keeps the better half, so that the last two meet the most rows. Source:
    Karnin, Koren and Somekh (2013), Almost optimal exploration in multi-armed bandits; Jamieson
    and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization.
    Rows of an earlier round are counted again, though the cache has their answers.
    """
    count = max(1, ceil(log2(prompts))) if prompts > 1 else 0
    planned: list[Round] = []
    for number in range(count):
        left = ceil(prompts / 2**number)
        planned.append(Round(left, min(rows, calls // count // left)))
    return tuple(planned) if planned and all(each.rows for each in planned) else ()


def keep_best(scores: Sequence[float | None], *, keep: int, higher_is_better: bool) -> list[int]:
    """Return the places of the best scores, in order; of equals the earlier. None is the worst."""
    sign = -1 if higher_is_better else 1

    def order(place: int) -> tuple[bool, float, int]:
        value = scores[place]
        return value is None, sign * (value or 0), place

    return sorted(sorted(range(len(scores)), key=order)[:keep])
