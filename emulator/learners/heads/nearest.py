"""The nearest head: any text to any text; the output of the most similar training prompt."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from emulator.learners.distributions import AnswerDistribution, Categorical
from emulator.learners.features.bag_of_words import bag_of_words
from emulator.learners.heads.ports import Arrays, Floats, Meta, Rows
from emulator.learners.history import EpochRecord, Fit, Plan, record_epoch
from emulator.learners.layout import ParsedPrompt

# How sharply a similarity (0 to about 2) counts when its loss is measured.
SHARPNESS = 10.0
SMALLEST_PROBABILITY = 1e-6
MOST_MEASURED = 400


class NearestHead:
    """Keeps its examples: passes and step sizes change nothing, nor do its records.

    Training rows are measured without themselves, otherwise each would be its own nearest.
    """

    name = "nearest"

    def __init__(self) -> None:
        self._bank: sp.csr_matrix = sp.csr_matrix((1, 1), dtype=np.float32)
        self._outputs: list[str] = [""]

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Keep the rows, and yield the same record for each requested pass."""
        self._bank = bag_of_words([prompt.text for prompt, _ in rows])
        self._outputs = [output for _, output in rows]
        train = self._measure(rows[:MOST_MEASURED], held_out=True)
        evaluated = self._measure(validation[:MOST_MEASURED]) if validation else None
        for epoch in range(1, plan.epochs + 1):
            yield record_epoch(epoch, train=train, evaluated=evaluated, predictions=len(rows))

    def answer_many(self, prompts: Sequence[ParsedPrompt]) -> list[str]:
        nearest = self._similarities(prompts).argmax(axis=1)
        return [self._outputs[at] for at in nearest]

    def distribution(self, prompt: ParsedPrompt) -> AnswerDistribution:
        """Return a softmax over the kept outputs by ten times their prompt's similarity."""
        similar = self._similarities([prompt])[0]
        mode = self._outputs[int(similar.argmax())]
        return Categorical(self._outputs, SHARPNESS * similar, mode=mode)

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        for part in ("data", "indices", "indptr"):
            arrays[prefix + part] = getattr(self._bank, part)
        return {"outputs": self._outputs, "shape": [int(size) for size in self._bank.shape]}

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        parts = tuple(arrays[prefix + part] for part in ("data", "indices", "indptr"))
        self._bank = sp.csr_matrix(parts, shape=tuple(meta["shape"]))
        self._outputs = meta["outputs"]

    def _similarities(self, prompts: Sequence[ParsedPrompt]) -> Floats:
        queries = bag_of_words([prompt.text for prompt in prompts])
        return np.asarray((queries @ self._bank.T).toarray(), np.float32)

    def _measure(self, rows: Rows, *, held_out: bool = False) -> Fit:
        similar = self._similarities([prompt for prompt, _ in rows])
        if held_out and len(self._outputs) > 1:
            np.fill_diagonal(similar, -np.inf)
        weights = np.exp(SHARPNESS * (similar - similar.max(axis=1, keepdims=True)))
        weights /= weights.sum(axis=1, keepdims=True)
        kept = np.array(self._outputs, dtype=object)
        right = np.array([kept == output for _, output in rows])
        given = (weights * right).sum(axis=1)
        hits = right[np.arange(len(rows)), similar.argmax(axis=1)]
        losses = -np.log(np.maximum(given, SMALLEST_PROBABILITY))
        return Fit(float(losses.mean()), float(hits.mean()), len(rows))
