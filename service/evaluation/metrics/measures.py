"""What a metric is made of, and what those that average over rows have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

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


def _counted(values: Sequence[float]) -> Array:
    return np.column_stack([np.asarray(values, dtype=np.float64), np.ones(len(values))])
