"""The class head: few distinct outputs, such as labels; one decision per prompt."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from emulator.learners.drawing import Decision, Outlook
from emulator.learners.features.wording import wording_matrix
from emulator.learners.heads.ports import Arrays, Floats, Meta, Rows
from emulator.learners.history import EpochRecord, Plan
from emulator.learners.labelling import choose_label
from emulator.learners.layout import Reading
from emulator.learners.softmax import SoftmaxRegression, Steps

STEP, DECAY = 0.3, 1e-5
# Before any row is seen: so many rows where the un-tuned rule was right, so many spread by share.
ROWS_RIGHT, ROWS_SPREAD = 10.0, 4.0
# With so many rows the belief counts half. The words tell what the rule tells and more, so a belief
# kept whole counts it twice: on banking77 (development rows) that cost 6 points at 3,200 rows.
ROWS_TO_HALVE = 400


class CategoryHead:
    """Starts from the un-tuned rule: of its answers' true classes in training, then the words."""

    name = "class"

    def __init__(self) -> None:
        self._model = SoftmaxRegression([""], step=STEP, decay=DECAY)
        self._belief: Floats = np.zeros((1, 1), np.float32)

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield a record after each pass over the rows."""
        classes = sorted({output for _, output in rows})
        self._model = SoftmaxRegression(classes, step=STEP, decay=DECAY)
        guesses, truth = self._guess(_texts(rows)), self._truth(rows)
        self._belief = _belief(guesses, truth, classes=len(classes))
        steps = Steps(wording_matrix(_texts(rows)), truth, self._belief[guesses])
        unseen = self._steps(validation) if validation else None
        yield from self._model.train(steps, validation=unseen, plan=plan)

    def answer_many(self, readings: Sequence[Reading]) -> list[str]:
        return [self._model.classes[at] for at in self._scores(readings).argmax(axis=1)]

    def expect(self, reading: Reading) -> Outlook:
        """Return the softmax over the classes."""
        return Decision(self._model.classes, self._scores([reading])[0])

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        arrays[prefix + "belief"] = self._belief
        return self._model.pack(prefix, arrays)

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        self._model = SoftmaxRegression.unpack(meta, prefix, arrays)
        self._belief = arrays[prefix + "belief"]

    def _scores(self, readings: Sequence[Reading]) -> Floats:
        texts = [reading.text for reading in readings]
        offset = self._belief[self._guess(texts)]
        return self._model.scores(wording_matrix(texts), offset=offset)

    def _guess(self, texts: Sequence[str]) -> list[int]:
        classes = self._model.classes
        number = {name: at for at, name in enumerate(classes)}
        return [number[choose_label(text, classes)] for text in texts]

    def _steps(self, rows: Rows) -> Steps:
        texts = _texts(rows)
        return Steps(wording_matrix(texts), self._truth(rows), self._belief[self._guess(texts)])

    def _truth(self, rows: Rows) -> NDArray[np.int64]:
        number = {name: at for at, name in enumerate(self._model.classes)}
        return np.array([number.get(output, -1) for _, output in rows], np.int64)


def _texts(rows: Rows) -> list[str]:
    return [reading.text for reading, _ in rows]


def _belief(guesses: Sequence[int], truth: NDArray[np.int64], *, classes: int) -> Floats:
    """Return logs, guessed class x true class, drawn to the classes' own shares by more rows."""
    share = (np.bincount(truth, minlength=classes) + 0.5) / (len(truth) + 0.5 * classes)
    counts = ROWS_RIGHT * np.eye(classes) + ROWS_SPREAD * share
    np.add.at(counts, (np.asarray(guesses, np.int64), truth), 1)
    logs = np.log(counts / counts.sum(axis=1, keepdims=True))
    weight = ROWS_TO_HALVE / (ROWS_TO_HALVE + len(truth))
    return np.asarray(np.log(share) + weight * (logs - np.log(share)), np.float32)
