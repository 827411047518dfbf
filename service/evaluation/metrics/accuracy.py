"""Accuracy: the answer names the right label."""

from service.evaluation.metrics.measures import RowAverage
from service.evaluation.metrics.normal_forms import fold_label


class Accuracy(RowAverage):
    """Share of answers equal to a label, 0 to 100.

    Aside are white space around, letter case, and whether letters are composed (Unicode NFC).
    """

    def earned(self, prediction: str, reference: str) -> float:
        return float(fold_label(prediction) == fold_label(reference))
