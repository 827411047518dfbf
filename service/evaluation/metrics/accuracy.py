"""Accuracy: the answer names the right label."""

from service.evaluation.metrics.measures import RowAverage


class Accuracy(RowAverage):
    """Share of answers equal to a label, white space around and letter case aside, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(prediction.strip().casefold() == reference.strip().casefold())
