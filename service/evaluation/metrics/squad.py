"""Exact match and F1 as the official SQuAD 1.1 evaluation script defines them."""

import re
import string
from collections import Counter

from service.evaluation.metrics.measures import RowAverage

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise_answer(text: str) -> str:
    """Lower-case, drop ASCII punctuation, then articles, then surplus white space.

    Source: `normalize_answer` of evaluate-v1.1.py (Rajpurkar et al. 2016). The order matters:
    `a.` loses its point first and is then an article.
    """
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def token_f1(prediction: str, reference: str) -> float:
    """Return the harmonic mean of token precision and recall, 0 to 1; `f1_score` of the same."""
    predicted, expected = normalise_answer(prediction).split(), normalise_answer(reference).split()
    shared = sum((Counter(predicted) & Counter(expected)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


class SquadExactMatch(RowAverage):
    """Share of answers equal to any reference after SQuAD normalisation, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(normalise_answer(prediction) == normalise_answer(reference))


class SquadF1(RowAverage):
    """Mean token F1 against the best reference after SQuAD normalisation, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return token_f1(prediction, reference)
