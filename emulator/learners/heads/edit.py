"""The edit head: outputs that are edited prompts, such as masked texts; one tag per token."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from emulator.learners.alignment import KEEP, apply_tags, best_path, edit_tags
from emulator.learners.chain import Chain
from emulator.learners.drawing import Outlook
from emulator.learners.features.editing import token_columns, token_matrix
from emulator.learners.heads.ports import Arrays, Floats, Meta, Rows
from emulator.learners.history import EpochRecord, Plan
from emulator.learners.layout import Reading
from emulator.learners.softmax import SoftmaxRegression, Steps
from emulator.learners.tokens import tokenize

STEP, DECAY = 0.2, 1e-6
# Weights are features x tags: a rewriting task with a phrase per row must not fill the memory.
MOST_TAGS = 200
# From so many rows on, a phrase seen once is noise rather than a rule.
ROWS_TO_DROP_SINGLES = 100
TRANSITION_WEIGHT = 0.5
TRANSITION_PRIOR = 0.05


class EditHead:
    name = "edit"

    def __init__(self) -> None:
        self._model = SoftmaxRegression([KEEP], step=STEP, decay=DECAY)
        self._transitions: Floats = np.zeros((1, 1), np.float32)

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield a record after each pass over all tokens of the rows."""
        tags = _training_tags(rows)
        classes = sorted(set(tags)) or [KEEP]
        self._model = SoftmaxRegression(classes, step=STEP, decay=DECAY)
        steps = _steps(rows, tags, classes)
        self._transitions = _transitions(steps, len(classes))
        unseen = _steps(validation, _tags(validation), classes) if validation else None
        yield from self._model.train(steps, validation=unseen, plan=plan)

    def answer_many(self, readings: Sequence[Reading]) -> list[str]:
        texts = [tokenize(reading.source) for reading in readings]
        columns = token_columns(texts, [reading.source for reading in readings])
        scores = self._model.scores(token_matrix(columns))
        ends = np.cumsum([len(tokens) for tokens in texts])
        answers = []
        for tokens, end in zip(texts, ends, strict=True):
            path = best_path(scores[end - len(tokens) : end], self._transitions)
            answers.append(apply_tags(tokens, [self._model.classes[tag] for tag in path]))
        return answers

    def expect(self, reading: Reading) -> Outlook:
        """Return the chain of tags: softmax per token, weighed with learned transitions."""
        tokens = tokenize(reading.source)
        scores = self._model.scores(token_matrix(token_columns([tokens], [reading.source])))
        return Chain(tokens, self._model.classes, scores, self._transitions)

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        arrays[prefix + "transitions"] = self._transitions
        return self._model.pack(prefix, arrays)

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        self._model = SoftmaxRegression.unpack(meta, prefix, arrays)
        self._transitions = arrays[prefix + "transitions"]


def _tags(rows: Rows) -> list[str]:
    tags: list[str] = []
    for reading, output in rows:
        tags += edit_tags(tokenize(reading.source), tokenize(output))
    return tags


def _training_tags(rows: Rows) -> list[str]:
    tags = _tags(rows)
    fewest = 2 if len(rows) >= ROWS_TO_DROP_SINGLES else 1
    common = Counter(tags).most_common(MOST_TAGS)
    kept = {tag for tag, seen in common if seen >= fewest}
    return [tag if tag in kept else KEEP for tag in tags]


def _steps(rows: Rows, tags: Sequence[str], classes: Sequence[str]) -> Steps:
    sources = [reading.source for reading, _ in rows]
    columns = token_columns([tokenize(source) for source in sources], sources)
    number = {name: at for at, name in enumerate(classes)}
    return Steps(token_matrix(columns), np.array([number.get(tag, -1) for tag in tags], np.int64))


def _transitions(steps: Steps, classes: int) -> Floats:
    """Return how much likelier a tag is after another than anywhere, in weighted logs."""
    pairs = np.full((classes, classes), TRANSITION_PRIOR)
    np.add.at(pairs, (steps.classes[:-1], steps.classes[1:]), 1)
    after = pairs / pairs.sum(axis=1, keepdims=True)
    anywhere = pairs.sum(axis=0) / pairs.sum()
    return np.asarray(TRANSITION_WEIGHT * np.log(after / anywhere), np.float32)
