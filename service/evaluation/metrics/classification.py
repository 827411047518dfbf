"""F1 by label and balanced accuracy of answers that name one label each."""

from abc import ABC
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from service.errors import Invalid
from service.evaluation.metrics.measures import CountAverage, Missing, References
from service.evaluation.metrics.normal_forms import fold_label
from service.evaluation.statistics.intervals import Array

LABELS_LIMIT = 1000  # as many as a preset may have
COUNTS_LIMIT = 8_000_000  # labels by rows: 64 MB of counts, some 450 MB with an interval


def labels_of(references: Iterable[Sequence[str]]) -> frozenset[str]:
    """Return the labels that all references of a split name; raises Invalid `too_many_labels`."""
    labels: set[str] = set()
    for rows, golds in enumerate(references, start=1):
        labels.update(map(fold_label, golds))
        if len(labels) > LABELS_LIMIT or len(labels) * rows > COUNTS_LIMIT:
            message = (
                f"the references hold too many texts to be labels: over {LABELS_LIMIT:,}, "
                f"or over {COUNTS_LIMIT:,} by rows; use accuracy"
            )
            raise Invalid(message, code="too_many_labels")
    return frozenset(labels)


class _LabelAverage(ABC):
    """The mean over all labels of what each earns, 0 to 100, from counts of each label.

    A row's statistics are, for each label in order, whether it was right, then how often it was
    expected (and answered, where `counts_answers`). An answer that is no label was not answered
    with any. `labels` are those of all rows that will be added; without them, those at hand.
    """

    counts_answers: ClassVar[bool]

    def __init__(self, labels: Collection[str] = ()) -> None:
        self._labels = labels

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        return self._rows([fold_label(each) for each in predictions], references)

    def worst(self, references: References) -> Array:
        """Return rows without an answer; what a wrong label costs that label, `bounds` adds."""
        return self._rows([None] * len(references), references)

    def best(self, references: References) -> Array:
        """Return rows that are right by each of their references."""
        known = sorted(self._labels or labels_of(references))
        rows = np.zeros((len(references), 2, len(known)), dtype=np.float32)
        for (right, count), golds in zip(rows, references, strict=True):
            places = [known.index(label) for label in {fold_label(gold) for gold in golds}]
            right[places], count[places] = 1, 1 + self.counts_answers
        return rows.reshape(len(references), -1)

    def totals(self, sums: Array) -> Array:
        """Return the mean over the labels that occur in the sums."""
        half = sums.shape[-1] // 2
        right, count = sums[..., :half].astype(np.float64), sums[..., half:]
        shares = (1 + self.counts_answers) * right / np.maximum(count, 1)
        occurring = np.maximum((count > 0).sum(axis=-1), 1)
        mean: Array = 100 * shares.sum(axis=-1) / occurring
        return mean

    def _rows(self, answers: Sequence[str | None], references: References) -> Array:
        known = sorted(self._labels or labels_of(references))
        places: Mapping[str | None, int] = {label: place for place, label in enumerate(known)}
        rows = np.zeros((len(answers), 2, len(places)), dtype=np.float32)
        for (right, count), answer, golds in zip(rows, answers, references, strict=True):
            expected = _expected(answer, golds)
            right[places[expected]] = answer == expected
            count[places[expected]] = 1
            if self.counts_answers and answer in places:
                count[places[answer]] += 1
        return rows.reshape(len(answers), -1)


class MacroF1(_LabelAverage):
    """Mean F1 of the labels, each weighing the same however rare it is, 0 to 100."""

    counts_answers = True

    def bounds(self, earned: Array, missing: Missing) -> tuple[float, float]:
        """Let wrong answers name the labels that they cost most.

        A right answer never lowers a label's F1, so all are wrong. Then F1 of a label is
        2 right / (expected + answered + wrong), convex in how often it is named wrongly: naming
        one after the other the label that loses most is exact (Fox 1966, Discrete optimization via
        marginal analysis). No row names its own label wrongly; with several references a row the
        bound is a little lower than any answers could make it. A label that occurs nowhere yet
        costs all others, as their mean is then over one more.
        """
        sums = earned + missing.worst
        right, count = (each.astype(np.float64) for each in np.split(sums, 2))
        own = np.split(missing.worst, 2)[1]
        losses = _losses(right, count, missing.rows - own, rows=missing.rows)
        shares = 2 * right / np.maximum(count, 1)
        absent = np.arange(min(missing.rows, int((count == 0).sum())) + 1)
        lowest = shares.sum() - losses[missing.rows - absent]
        worst = float((100 * lowest / np.maximum((count > 0).sum() + absent, 1)).min())
        return worst, float(self.totals(earned + missing.best))


class BalancedAccuracy(_LabelAverage):
    """Mean share of right answers of the labels (recall), 0 to 100: chance is 100 by labels."""

    counts_answers = False


class MicroF1(CountAverage):
    """F1 of all answers together, 0 to 100: accuracy, but an answer that is no label costs less.

    A row's statistics are whether it is right, whether it names a label, and 1.
    """

    def __init__(self, labels: Collection[str] = ()) -> None:
        self._labels = labels

    def counts(self, prediction: str, reference: str) -> tuple[int, int, int]:
        answer, expected = fold_label(prediction), fold_label(reference)
        return int(answer == expected), int(answer in self._labels), 1

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        if self._labels:
            return super().statistics(predictions, references)
        return MicroF1(labels_of(references)).statistics(predictions, references)


def _losses(right: Array, count: Array, most: Array, *, rows: int) -> Array:
    """Return what the F1 of all labels lose together by 0, 1, ... and `rows` wrong answers."""
    gains = [np.zeros(0)]
    for hits, times, limit in zip(right, count, most, strict=True):
        if hits:
            wrong = np.arange(min(rows, int(limit)))
            gains.append(2 * hits / (times + wrong) - 2 * hits / (times + wrong + 1))
    ordered = np.zeros(rows)
    found = np.sort(np.concatenate(gains))[::-1][:rows]
    ordered[: len(found)] = found
    return np.concatenate([[0.0], np.cumsum(ordered)])


def _expected(answer: str | None, golds: Sequence[str]) -> str:
    labels = [fold_label(gold) for gold in golds]
    return answer if answer is not None and answer in labels else labels[0]
