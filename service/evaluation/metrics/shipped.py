"""Our metrics as Hugging Face `evaluate` modules: shipped here, fetched from nowhere."""

from collections.abc import Callable, Sequence
from typing import Any

import evaluate
from datasets import Features, List, Value

from service.evaluation.metrics.measures import Measure, References


class ShippedMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """One of our measures as an `evaluate` module; texts have any number of references.

    `compute(predictions=..., references=...)` returns the score, the statistics of each row, and
    a caution where the metric is not made for some of the references ("" otherwise).
    """

    def __init__(self, measure: Measure, *, caution: Callable[[References], str]) -> None:
        self._measure, self._caution = measure, caution
        super().__init__(keep_in_memory=True, seed=0)

    def _build_data_dir(self) -> str:
        # evaluate makes a folder under the home directory even when all is kept in memory,
        # which a container with a read-only file system refuses.
        return ""

    def _info(self) -> evaluate.MetricInfo:
        features = Features({"predictions": Value("string"), "references": List(Value("string"))})
        description = type(self._measure).__doc__ or ""
        return evaluate.MetricInfo(description=description, citation="", features=features)

    def _compute(self, predictions: Sequence[str], references: References) -> dict[str, Any]:
        rows = self._measure.statistics(predictions, references)
        return {
            "score": float(self._measure.totals(rows.sum(axis=0))),
            "statistics": rows,
            "caution": self._caution(references),
        }
