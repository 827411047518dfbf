"""Which of several answers to a row counts: the one given most often. Pure.

Source: Wang et al. (2023), Self-consistency improves chain of thought reasoning in language models.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from service.datasets.examples import collapse, fold
from service.datasets.presets.answer_form import AnswerKind
from service.evaluation.answer_repository import Sample
from service.evaluation.metrics.json_values import canonical
from service.evaluation.scoring.answers import AnswerReader, ReadAnswer
from service.inference.ports import Outcome

# The model's own, whatever can be read of them; of all others another call might bring an answer.
_CAME = frozenset((Outcome.OK, Outcome.TRUNCATED))


@dataclass(frozen=True, slots=True)
class Elected:
    """The sample that counts for a row, what it says, and how many samples say the same."""

    sample: Sample
    answer: ReadAnswer
    agreement: int


def majority(samples: Sequence[Sample], reader: AnswerReader, *, seed: int = 0) -> Elected:
    """Return the sample whose answer most samples of a row gave, and how many did.

    Only samples that were read with outcome `ok` vote, by what they mean (`vote_of`). A tie is
    drawn by seed and row, the same on any machine; of samples that say the same the earliest
    counts. Without any `ok` the first sample is the row's outcome, and none agrees. So it is with
    a sample for which no answer came, where such samples could have changed the vote: it was not
    won by half of all. `samples` are in order, at least one.
    """
    answers = [reader.read(Outcome(each.outcome), each.text) for each in samples]
    if len(samples) == 1:
        return Elected(samples[0], answers[0], int(answers[0].outcome is Outcome.OK))
    given = [
        vote_of(each, reader.form.kind) if each.outcome is Outcome.OK else None for each in answers
    ]
    votes = Counter(each for each in given if each is not None)
    if not votes:
        return Elected(samples[0], answers[0], 0)
    most = max(votes.values())
    lost = next((at for at, each in enumerate(samples) if each.outcome not in _CAME), None)
    if lost is not None and 2 * most <= len(samples):
        return Elected(samples[lost], answers[lost], 0)
    tied = [vote for vote, count in votes.items() if count == most]
    row = f"{seed}:{samples[0].example_id}"
    chosen = tied[0] if len(tied) == 1 else min(tied, key=lambda vote: _drawn(row, vote))
    place = given.index(chosen)
    return Elected(samples[place], answers[place], most)


def vote_of(answer: ReadAnswer, kind: AnswerKind) -> str:
    """Return what an answer votes for: answers that mean the same vote for the same.

    JSON is compared as values, in any layout and order of keys; spans without case; all without
    white space around and with single spaces.
    """
    text = collapse(answer.text)
    match kind:
        case AnswerKind.JSON:
            try:
                return canonical(answer.text)
            except ValueError:
                return text
        case AnswerKind.SPAN:
            return fold(text)
        case _:
            return text


def _drawn(row: str, vote: str) -> bytes:
    return hashlib.sha256(f"{row}:{vote}".encode("utf-8", "surrogatepass")).digest()
