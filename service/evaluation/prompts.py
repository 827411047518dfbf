"""Turns of a conversation that put an example to a model, and the choice of shots before it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from service.datasets.examples import Example, user_turn
from service.errors import Fault, Invalid
from service.inference.ports import Turn


class VariantKind(StrEnum):
    """How the model is used: asked as it is, shown examples first, or tuned."""

    ZERO_SHOT = "zero_shot"
    FEW_SHOT = "few_shot"
    TUNED = "tuned"


def conversation(
    instruction: str, example: Example, *, shots: Sequence[Example] = ()
) -> tuple[Turn, ...]:
    """Return the turns that ask for an example's answer; the last one is the user's.

    Without shots they are the very words a tuned model was trained on: the example's history,
    then instruction and text. Shots stand first, each by its last turns, and the instruction
    once, in the first of them.
    """
    texts = [*(shot.text for shot in shots), example.text]
    history = (Turn(turn.role, turn.text) for turn in example.history)
    texts[0] = user_turn(instruction, texts[0])
    questions = [Turn("user", words) for words in texts]
    answers = [Turn("model", shot.target) for shot in shots]
    pairs = zip(questions, answers, strict=False)  # the last question has no answer yet
    return (*(turn for pair in pairs for turn in pair), *history, questions[-1])


def choose_shots(train: Sequence[Example], k: int, *, seed: int) -> tuple[Example, ...]:
    """Return `k` examples of the training split, the same for the same seed and examples.

    Examples come in the order of a hash of seed and id, whatever their order in `train`. Each
    next one is the first of the groups used least so far, and among those of the labels used
    least; so the shots for `k` begin the shots for `k + 1`.
    Raises Invalid when `k` is negative or more than there are.
    """
    if not 0 <= k <= len(train):
        message = f"{k} shots were asked for; the training split has {len(train)} examples"
        fault = Fault("/spec/shots", "too_few_examples", message)
        raise Invalid(message, code="too_few_examples", faults=[fault])
    rest = sorted(train, key=lambda example: _order(example.id, seed=seed))
    groups: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    chosen: list[Example] = []
    for _ in range(k):
        best = min(rest, key=lambda each: (groups[each.group], labels[each.label]))
        rest.remove(best)
        groups[best.group] += 1
        labels[best.label] += 1
        chosen.append(best)
    return tuple(chosen)


def _order(example_id: str, *, seed: int) -> tuple[bytes, str]:
    return hashlib.sha256(f"{seed}:{example_id}".encode()).digest(), example_id
