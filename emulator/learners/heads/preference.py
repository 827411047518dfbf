"""The preference head: of kept answers the one that pairs of a chosen and a rejected one favour.

Direct preference optimisation (Rafailov et al. 2023) of a linear policy. The reference policy
answers what similar prompts were answered, chosen or rejected alike; the policy is the reference
times exp(reward), so that the reward is exactly the log ratio in the loss
`-log sigmoid(beta * (reward(chosen) - reward(rejected)))`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from emulator.learners.distributions import AnswerDistribution, Categorical
from emulator.learners.features.bag_of_words import bag_of_words
from emulator.learners.features.hashes import columns_of, cross
from emulator.learners.heads.nearest import SHARPNESS
from emulator.learners.heads.ports import Arrays, Floats, Meta, Rows
from emulator.learners.history import EpochRecord, Fit, Plan, record_epoch
from emulator.learners.layout import ParsedPrompt
from emulator.learners.softmax import FIRST_CURVATURE, batch_size

STEP, DECAY = 0.3, 1e-3
# So many answers are distinguished prompt by prompt; of more, only by their own words.
MOST_LABELS = 300


class PreferenceHead:
    """`rejected` are the answers turned down, one a row; empty where a row has none."""

    name = "preference"

    def __init__(self, rejected: Sequence[str] = (), unseen_rejected: Sequence[str] = ()) -> None:
        self._rejected, self._unseen_rejected = list(rejected), list(unseen_rejected)
        self._bank: sp.csr_matrix = sp.csr_matrix((1, 1), dtype=np.float32)
        self._options: list[str] = [""]
        self._given = np.zeros((1, 2), np.int64)
        self._weights: Floats = np.zeros(1, np.float32)
        self._rewards: Floats | None = None  # of all options, where prompts do not matter

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield a record after each pass: the loss, and the share of pairs ranked rightly."""
        self._keep(rows)
        pairs = self._differences(rows, self._rejected)
        unseen = self._differences(validation, self._unseen_rejected) if validation else None
        self._weights = np.zeros(pairs.shape[1], np.float32)
        curvature = np.full_like(self._weights, FIRST_CURVATURE)
        rng, count = np.random.default_rng(plan.seed), pairs.shape[0]
        for epoch in range(1, plan.epochs + 1):
            order, size = rng.permutation(count), batch_size(count)
            for at in range(0, count, size):
                self._update(pairs[order[at : at + size]], curvature, plan)
            evaluated = self._measure(unseen, plan) if unseen is not None else None
            train = self._measure(pairs, plan)
            yield record_epoch(epoch, train=train, evaluated=evaluated, predictions=count)

    def answer_many(self, prompts: Sequence[ParsedPrompt]) -> list[str]:
        return [self._options[int(self._logits(prompt).argmax())] for prompt in prompts]

    def distribution(self, prompt: ParsedPrompt) -> AnswerDistribution:
        """Return the policy over all answers that were chosen or rejected."""
        logits = self._logits(prompt)
        return Categorical(self._options, logits, mode=self._options[int(logits.argmax())])

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        for part in ("data", "indices", "indptr"):
            arrays[prefix + part] = getattr(self._bank, part)
        arrays[prefix + "given"] = self._given
        learned = np.flatnonzero(self._weights)
        arrays[prefix + "columns"], arrays[prefix + "weights"] = learned, self._weights[learned]
        shape = [int(size) for size in self._bank.shape]
        return {"options": self._options, "shape": shape, "width": len(self._weights)}

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        parts = tuple(arrays[prefix + part] for part in ("data", "indices", "indptr"))
        self._bank = sp.csr_matrix(parts, shape=tuple(meta["shape"]))
        self._options, self._given = meta["options"], arrays[prefix + "given"]
        self._weights = np.zeros(meta["width"], np.float32)
        self._weights[arrays[prefix + "columns"]] = arrays[prefix + "weights"]

    def _keep(self, rows: Rows) -> None:
        """Keep the prompts and, for each, the numbers of its answers."""
        chosen = [output for _, output in rows]
        self._options = sorted({*chosen, *filter(None, self._rejected)})
        number = {text: at for at, text in enumerate(self._options)}
        refused = [text or kept for text, kept in zip(self._rejected, chosen, strict=True)]
        answers = ([number[each] for each in side] for side in (chosen, refused))
        self._given = np.array(list(answers), np.int64).T
        self._bank = bag_of_words([prompt.text for prompt, _ in rows])

    def _differences(self, rows: Rows, rejected: Sequence[str]) -> sp.csr_matrix:
        """Return what a chosen answer has and the rejected one has not, pairs x features."""
        paired = [(row, text) for row, text in zip(rows, rejected, strict=True) if text]
        prompts = bag_of_words([prompt.text for (prompt, _), _ in paired] or [""])
        chosen, refused = [out for (_, out), _ in paired], [text for _, text in paired]
        if not paired:
            return sp.csr_matrix((0, self._features(prompts, [""]).shape[1]), dtype=np.float32)
        return self._features(prompts, chosen) - self._features(prompts, refused)

    def _features(self, prompts: sp.csr_matrix, answers: Sequence[str]) -> sp.csr_matrix:
        """Return the words of answers and, of few ones, each with the words of its prompt."""
        own = bag_of_words(answers)
        if len(self._options) > MOST_LABELS:
            return own
        number = {text: at for at, text in enumerate(self._options)}
        names = np.array([number.get(each, len(number)) for each in answers], np.uint64)
        repeated = np.repeat(names, np.diff(prompts.indptr))
        columns = columns_of([cross(prompts.indices.astype(np.uint64), repeated)])[:, 0]
        together = sp.csr_matrix((prompts.data, columns, prompts.indptr), shape=prompts.shape)
        return sp.csr_matrix(sp.hstack([own, together], format="csr", dtype="float32"))

    def _logits(self, prompt: ParsedPrompt) -> Floats:
        query = bag_of_words([prompt.text])
        similar = np.asarray((query @ self._bank.T).toarray(), np.float32)[0]
        known = np.zeros(len(self._options), np.float32)
        for side in self._given.T:
            np.maximum.at(known, side, similar)
        return np.asarray(SHARPNESS * known + self._reward(query), np.float32)

    def _reward(self, query: sp.csr_matrix) -> Floats:
        if len(self._options) <= MOST_LABELS:
            prompts = sp.csr_matrix(sp.vstack([query] * len(self._options), format="csr"))
            return np.asarray(self._features(prompts, self._options) @ self._weights, np.float32)
        if self._rewards is None:
            self._rewards = np.asarray(bag_of_words(self._options) @ self._weights, np.float32)
        return self._rewards

    def _update(self, pairs: sp.csr_matrix, curvature: Floats, plan: Plan) -> None:
        """Take one Adagrad step down the loss of some pairs."""
        self._rewards = None
        wrong = 1 / (1 + np.exp(plan.beta * (pairs @ self._weights)))
        gradient = -plan.beta * np.asarray(pairs.T @ wrong, np.float32)
        touched = np.flatnonzero(gradient)
        curvature[touched] += gradient[touched] ** 2
        change = gradient[touched] / np.sqrt(curvature[touched])
        rate = STEP * plan.learning_rate_multiplier
        self._weights[touched] -= rate * (change + DECAY * self._weights[touched])

    def _measure(self, pairs: sp.csr_matrix, plan: Plan) -> Fit:
        if not pairs.shape[0]:
            return Fit(0.0, 0.0)
        margins = pairs @ self._weights
        losses = np.logaddexp(0, -plan.beta * margins)
        return Fit(float(losses.mean()), float((margins > 0).mean()), len(margins))
