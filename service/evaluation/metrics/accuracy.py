"""Accuracy: the answer names the right label."""

import unicodedata

from service.evaluation.metrics.measures import RowAverage


class Accuracy(RowAverage):
    """Share of answers equal to a label, 0 to 100.

    Aside are white space around, letter case, and whether letters are composed (Unicode NFC).
    """

    def earned(self, prediction: str, reference: str) -> float:
        return float(_folded(prediction) == _folded(reference))


def _folded(label: str) -> str:
    return unicodedata.normalize("NFC", label.strip()).casefold()
