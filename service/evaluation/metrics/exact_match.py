"""Exact match: the answer is one of the references, letter by letter or in a normal form."""

from service.evaluation.metrics.measures import RowAverage
from service.evaluation.metrics.normal_forms import normalise


class ExactMatch(RowAverage):
    """Share of answers equal to a reference after outer white space is stripped, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(prediction.strip() == reference.strip())


class NormalisedMatch(RowAverage):
    """Share of answers equal to a reference in their normal forms, 0 to 100.

    Aside are: letter case, outer white space, final punctuation, a code fence, emphasis or
    quotation marks around the whole answer, full width, the script of digits, characters without
    width, and whether letters are composed (Unicode NFC). `**Positive.**` equals `positive`.
    """

    def earned(self, prediction: str, reference: str) -> float:
        return float(normalise(prediction) == normalise(reference))
