"""The words that ask for an example's answer: instruction, shots, reasoning, input. Pure."""

import re
from collections.abc import Mapping, Sequence

from service.datasets.examples import Example, user_turn
from service.inference.ports import Turn

# What the reader looks for (`answers`): the mark, at the beginning of a line.
ANSWER_MARK = "Answer:"
REASONING = (
    "First reason step by step. Then write the final answer, in the form that was asked for, "
    f"after the mark `{ANSWER_MARK}` on a new last line."
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
