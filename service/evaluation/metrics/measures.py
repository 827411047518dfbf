"""What a metric is made of, and what those that average over rows or add up counts share."""

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from service.evaluation.statistics.intervals import Array

References = Sequence[Sequence[str]]


class Measure(Protocol):
    """A metric taken apart, so that a bootstrap sums instead of reading the texts again.

    `statistics`, `worst` and `best` give one row of sufficient statistics for each example,
    `worst` and `best` those of the least and the most that an answer could have earned.
    `totals` turns sums of such rows (any leading shape) into scores on the metric's scale.
    """

    def statistics(self, predictions: Sequence[str], references: References) -> Array: ...

    def worst(self, references: References) -> Array: ...

    def best(self, references: References) -> Array: ...

    def totals(self, sums: Array) -> Array: ...


@dataclass(frozen=True, slots=True)
class Missing:
    """Rows without an answer: how many, and the sums of their `worst` and `best` statistics.

    `most` is the largest of each statistic in an answered row.
    """

    rows: int
    worst: Array
    best: Array
    most: Array


@runtime_checkable
class Bounded(Protocol):
    """A measure whose score is not bounded by the sums of `worst` and of `best`."""

    def bounds(self, earned: Array, missing: Missing) -> tuple[float, float]:
        """Return the worst and the best score that any answers to the missing rows could give;
        `earned` are the summed statistics of those answered.
        """
        ...


def bounds_of(measure: Measure, earned: Array, missing: Missing) -> tuple[float, float]:
    """Return the scores between which any answers to the missing rows would leave the score.

    Where an answer may say any number of wrong things, which could cost all of a score, none of
    them is taken to say more than the longest answer there is.
    """
    if isinstance(measure, Bounded):
        return measure.bounds(earned, missing)
    worst, best = (float(measure.totals(earned + rows)) for rows in (missing.worst, missing.best))
    return worst, best


class Composed:
    """A measure of texts whose letters are composed (Unicode NFC): both forms are one text."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        return self._measure.statistics([*map(compose, predictions)], _all_composed(references))

    def worst(self, references: References) -> Array:
        return self._measure.worst(_all_composed(references))

    def best(self, references: References) -> Array:
        return self._measure.best(_all_composed(references))

    def totals(self, sums: Array) -> Array:
        return self._measure.totals(sums)

    def bounds(self, earned: Array, missing: Missing) -> tuple[float, float]:
        return bounds_of(self._measure, earned, missing)


def compose(text: str) -> str:
    """Return the text with its letters composed (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


def _all_composed(references: References) -> References:
    return [[*map(compose, golds)] for golds in references]


class RowAverage(ABC):
    """The mean of what each row earned against the kindest of its references, 0 to 100."""

    @abstractmethod
    def earned(self, prediction: str, reference: str) -> float:
        """Return what the prediction earns against one reference, 0 to 1."""

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        pairs = zip(predictions, references, strict=True)
        return _counted(
            [max(self.earned(prediction, gold) for gold in golds) for prediction, golds in pairs]
        )

    def worst(self, references: References) -> Array:
        return _counted([0.0] * len(references))

    def best(self, references: References) -> Array:
        return _counted([1.0] * len(references))

    def totals(self, sums: Array) -> Array:
        return 100 * sums[..., 0] / sums[..., 1]


class GivenScore(RowAverage):
    """The mean of scores that stand in place of the answers, each from 0 to 1."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(prediction)


class CountAverage(ABC):
    """Micro-averaged F1 of what the rows hold (entities, fields), 0 to 100.

    A row's statistics are how many things are shared, answered and expected; of several
    references the one of the highest F1 counts. Where nothing is answered and nothing expected,
    the answer is perfect.
    """

    @abstractmethod
    def counts(self, prediction: str, reference: str) -> tuple[int, int, int]:
        """Return how many things are shared, answered and expected."""

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        pairs = zip(predictions, references, strict=True)
        return np.asarray(
            [
                max((self.counts(prediction, gold) for gold in golds), key=_f1)
                for prediction, golds in pairs
            ],
            dtype=np.float64,
        )

    def worst(self, references: References) -> Array:
        """Return rows answered with as many wrong things as are expected, at least one."""
        rows = self.best(references)
        return np.column_stack([np.zeros(len(rows)), np.maximum(rows[:, 1], 1), rows[:, 2]])

    def best(self, references: References) -> Array:
        """Return rows answered rightly, by the reference of the most things."""
        rows = ([self.counts(gold, gold) for gold in golds] for golds in references)
        return np.asarray([max(row) for row in rows], dtype=np.float64)

    def bounds(self, earned: Array, missing: Missing) -> tuple[float, float]:
        """Take each missing row to be answered with as many wrong things as any row is."""
        wrong = missing.worst.copy()
        wrong[1] = max(wrong[1], missing.rows * missing.most[1])
        return float(self.totals(earned + wrong)), float(self.totals(earned + missing.best))

    def totals(self, sums: Array) -> Array:
        shared, answered, expected = sums[..., 0], sums[..., 1], sums[..., 2]
        return share_of(2 * shared, answered + expected, empty=answered + expected == 0)


def share_of(part: Array, whole: Array, *, empty: Array) -> Array:
    """Return `part` in `whole`, 0 to 100: 0 where there is no whole, 100 where `empty` is true."""
    return np.where(empty, 100.0, 100 * part / np.where(whole > 0, whole, 1))


def _f1(counts: tuple[int, int, int]) -> float:
    shared, answered, expected = counts
    return 2 * shared / (answered + expected) if answered + expected else 1.0


def _counted(values: Sequence[float]) -> Array:
    return np.column_stack([np.asarray(values, dtype=np.float64), np.ones(len(values))])
