"""Whether an answer is nearer to the chosen one of a pair than to the rejected one, by chrF."""

from collections.abc import Sequence

import numpy as np

from service.evaluation.metrics.chrf import ChrF, corpus_chrf
from service.evaluation.metrics.measures import References, RowAverage
from service.evaluation.statistics.intervals import Array


class ChosenOverRejected(RowAverage):
    """The share of answers with the higher chrF (Popovic 2015) against the chosen answer, 0 to 100.

    The rejected answer stands before a row's references; alone, one is the chosen. An answer as
    near to both counts half. It says which answer the model's is like, not which is better: a judge
    says that.
    """

    def earned(self, prediction: str, reference: str) -> float:
        return float(corpus_chrf(ChrF().statistics([prediction], [[reference]]))[0])

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        rows = [
            _nearer([self.earned(prediction, gold) for gold in golds])
            for prediction, golds in zip(predictions, references, strict=True)
        ]
        return np.column_stack([np.asarray(rows, dtype=np.float64), np.ones(len(rows))])


def _nearer(similarities: Sequence[float]) -> float:
    rejected, *chosen = similarities if len(similarities) > 1 else (0.0, *similarities)
    return 0.5 * (1 + float(np.sign(max(chosen) - rejected)))
