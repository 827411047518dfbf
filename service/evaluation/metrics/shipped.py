"""What our metrics have in common as `evaluate` modules: shipped here, fetched from nowhere."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import evaluate
import numpy as np
from datasets import Features, List, Value

from service.evaluation.statistics import Array

References = Sequence[Sequence[str]]


class ShippedMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """An `evaluate` metric over texts with any number of references each.

    `compute(predictions=..., references=...)` answers the score and the statistics of each row.
    """

    def __init__(self) -> None:
        super().__init__(keep_in_memory=True, seed=0)

    def _build_data_dir(self) -> str:
        # evaluate makes a folder under the home directory even when all is kept in memory,
        # which a container with a read-only file system refuses.
        return ""

    def _info(self) -> evaluate.MetricInfo:
        features = Features({"predictions": Value("string"), "references": List(Value("string"))})
        description = type(self).__doc__ or ""
        return evaluate.MetricInfo(description=description, citation="", features=features)

    def _compute(self, predictions: Sequence[str], references: References) -> dict[str, Any]:
        rows = self.measure(predictions, references)
        return {"score": float(self.totals(rows.sum(axis=0))), "statistics": rows}

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        """Return one row of sufficient statistics for each prediction; at least one is needed."""
        answer = self.compute(predictions=list(predictions), references=[*map(list, references)])
        rows: Array = answer["statistics"]
        return rows

    @abstractmethod
    def measure(self, predictions: Sequence[str], references: References) -> Array:
        """Return the statistics of each row."""

    @abstractmethod
    def totals(self, sums: Array) -> Array:
        """Return the scores of summed statistics."""


class RowAverage(ShippedMetric):
    """The mean of what each row earned against the kindest of its references, 0 to 100."""

    @abstractmethod
    def earned(self, prediction: str, reference: str) -> float:
        """Return what the prediction earns against one reference, 0 to 1."""

    def measure(self, predictions: Sequence[str], references: References) -> Array:
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
