"""Where an answer starts and ends: two softmaxes over the tokens of a passage, trained by Adagrad.

The linear form of extractive question answering (Devlin et al., BERT, 2019, section 4.2), with
hashed features instead of a network and a learned prior on the answer's length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emulator.learners.features.hashes import WIDTH
from emulator.learners.features.passages import Passage
from emulator.learners.history import EpochRecord, Fit, Plan, record_epoch
from emulator.learners.softmax import FIRST_CURVATURE, log_softmax

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

STEP = 0.06
DECAY = 1e-3
BATCH = 8
LONGEST = 16
MOST_SPANS = 64
MOST_MEASURED = 400


@dataclass(frozen=True, slots=True)
class LabelledPassage:
    """A passage with the first and last token of its answer; both 0 for "no answer"."""

    passage: Passage
    first: int
    last: int


class Pointer:
    """Weights for start and end; `trust` is how often the un-tuned rule was right in training."""

    def __init__(self) -> None:
        self._weights: Floats = np.zeros((WIDTH, 2), np.float32)
        self._lengths: Floats = np.zeros(LONGEST, np.float32)
        self._trust: Floats = np.zeros(2, np.float32)

    def train(
        self, rows: Sequence[LabelledPassage], *, validation: Sequence[LabelledPassage], plan: Plan
    ) -> Iterator[EpochRecord]:
        """Pass over the rows `plan.epochs` times, and yield a record after each pass."""
        self._lengths, self._trust = _length_prior(rows), _trust(rows)
        rng = np.random.default_rng(plan.seed)
        curvature = np.full_like(self._weights, FIRST_CURVATURE)
        rate = STEP * plan.learning_rate_multiplier
        for epoch in range(1, plan.epochs + 1):
            order = rng.permutation(len(rows))
            for at in range(0, len(order), BATCH):
                self._update([rows[i] for i in order[at : at + BATCH]], curvature, rate=rate)
            train = self.measure([rows[i] for i in order[:MOST_MEASURED]])
            evaluated = self.measure(validation) if validation else None
            yield record_epoch(epoch, train=train, evaluated=evaluated, predictions=2 * len(rows))

    def scores(self, passage: Passage) -> Floats:
        """Return unnormalised scores, tokens x (start, end)."""
        scores: Floats = self._weights[passage.columns].sum(axis=1)
        hint, choices = passage.hint, len(scores) - 1
        if hint.first >= 0 and choices > 1:
            # Untrained, the softmax then gives the rule's answer the share it was right in.
            scores[(hint.first, hint.last), (0, 1)] += self._trust + np.log(choices)
        return scores

    def measure(self, rows: Sequence[LabelledPassage]) -> Fit:
        """Return mean loss and accuracy over the starts and ends of rows."""
        losses, hits = [], []
        for row in rows:
            logs, truth = log_softmax(self.scores(row.passage).T), (row.first, row.last)
            losses += [-logs[0, row.first], -logs[1, row.last]]
            hits += list(logs.argmax(axis=1) == truth)
        loss, accuracy = (float(np.mean(losses)), float(np.mean(hits))) if rows else (0.0, 0.0)
        return Fit(loss, accuracy, len(hits))

    def best_span(self, passage: Passage, ends: Sequence[int]) -> tuple[int, int]:
        """Return the first and last token of the best answer, (0, 0) for none.

        No answer is longer than 16 tokens or runs over the next of `ends`, the sentence ends.
        """
        return self.likeliest_spans(passage, ends, most=1)[0][0]

    def likeliest_spans(
        self, passage: Passage, ends: Sequence[int], *, most: int = MOST_SPANS
    ) -> list[tuple[tuple[int, int], float]]:
        """Return the best answers with their scores, unnormalised logs, the best first."""
        totals, firsts, lasts = self._totals(passage, ends)
        order = np.argsort(-totals, kind="stable")[:most] if most > 1 else [int(totals.argmax())]
        return [((int(firsts[at]), int(lasts[at])), float(totals[at])) for at in order]

    def _totals(self, passage: Passage, ends: Sequence[int]) -> tuple[Floats, Places, Places]:
        """Return scores, firsts and lasts of all allowed spans, the shorter ones first."""
        scores, size = self.scores(passage), len(passage.columns)
        stops = np.append(np.asarray(ends, np.int64), size)
        limit = stops[np.searchsorted(stops, np.arange(size))] - np.arange(size)
        limit[0] = 1
        totals, firsts, lasts = [], [], []
        for more in range(min(LONGEST, size)):
            starts = np.flatnonzero(limit[: size - more] > more)
            totals.append(scores[starts, 0] + scores[starts + more, 1] + self._lengths[more])
            firsts.append(starts)
            lasts.append(starts + more)
        return np.concatenate(totals), np.concatenate(firsts), np.concatenate(lasts)

    def _update(self, batch: Sequence[LabelledPassage], curvature: Floats, *, rate: float) -> None:
        columns = np.concatenate([row.passage.columns for row in batch])
        error = np.concatenate([self._error(row) for row in batch])
        touched, places = _touched(columns.ravel())
        sides = [np.repeat(error[:, side], columns.shape[1]) for side in (0, 1)]
        sums = [np.bincount(places, weights=side) for side in sides]
        gradient = np.stack(sums, axis=1).astype(np.float32)
        curve = curvature[touched] + gradient * gradient
        curvature[touched] = curve
        weights = self._weights[touched]
        self._weights[touched] = weights - rate * (gradient / np.sqrt(curve) + DECAY * weights)

    def _error(self, row: LabelledPassage) -> Floats:
        error = np.exp(log_softmax(self.scores(row.passage).T).T)
        error[row.first, 0] -= 1
        error[row.last, 1] -= 1
        return error

    def pack(self, name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Add the weights to `arrays` under names beginning with `name`; return the rest."""
        arrays[name + "weights"] = self._weights
        arrays[name + "lengths"] = self._lengths
        arrays[name + "trust"] = self._trust
        return {}

    @classmethod
    def unpack(cls, name: str, arrays: dict[str, NDArray[Any]]) -> Self:
        model = cls()
        model._weights, model._lengths = arrays[name + "weights"], arrays[name + "lengths"]
        model._trust = arrays[name + "trust"]
        return model


def _touched(columns: Places) -> tuple[Places, Places]:
    """Return the distinct columns in order, and the place of each one given among them.

    A batch touches few of all columns: no step but the marking takes all of them.
    """
    marks = np.zeros(WIDTH, np.bool_)
    marks[columns] = True
    distinct = np.flatnonzero(marks)
    places = np.empty(WIDTH, np.int64)
    places[distinct] = np.arange(len(distinct))
    return distinct, places[columns]


def _length_prior(rows: Sequence[LabelledPassage]) -> Floats:
    lengths = np.array([min(row.last - row.first, LONGEST - 1) for row in rows], np.int64)
    seen = np.bincount(lengths, minlength=LONGEST)
    return np.asarray(np.log((seen + 0.5) / (seen.sum() + LONGEST / 2)), np.float32)


def _trust(rows: Sequence[LabelledPassage]) -> Floats:
    """Return log-odds that the rule's start, and end, are right, one miss and hit added."""
    hinted = [row for row in rows if row.passage.hint.first >= 0]
    starts = sum(row.passage.hint.first == row.first for row in hinted)
    ends = sum(row.passage.hint.last == row.last for row in hinted)
    hits = np.array([starts, ends], np.float32)
    return np.asarray(np.log((hits + 1) / (len(hinted) - hits + 1)), np.float32)
