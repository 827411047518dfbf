"""Exact match: the answer is one of the references, letter by letter."""

from service.evaluation.metrics.measures import RowAverage


class ExactMatch(RowAverage):
    """Share of answers equal to a reference after outer white space is stripped, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(prediction.strip() == reference.strip())
