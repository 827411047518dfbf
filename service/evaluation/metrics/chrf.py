"""chrF as sacreBLEU computes it: six orders of character n-grams, beta 2, white space aside."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from service.evaluation.metrics.measures import Missing, References
from service.evaluation.statistics.intervals import Array

ORDER = 6
_WEIGHT = 2**2  # of recall: beta squared


class ChrF:
    """Corpus chrF over all rows, 0 to 100 (Popović 2015): fit for short texts and any script.

    A row's statistics are, for each order, n-grams answered, n-grams expected and matches; of
    several references those of the highest chrF.
    """

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        rows = []
        for prediction, golds in zip(predictions, references, strict=True):
            ngrams = _count_ngrams(prediction)
            counts = np.array([_match(ngrams, _count_ngrams(gold)) for gold in golds])
            rows.append(counts[corpus_chrf(counts).argmax()])
        return np.asarray(rows, dtype=np.float64)

    def worst(self, references: References) -> Array:
        """Return rows answered with nothing, held against the longest of their references."""
        rows = self.best(references)
        rows[:, 0::3] = rows[:, 2::3] = 0
        return rows

    def best(self, references: References) -> Array:
        """Return rows answered with the longest of their references."""
        golds = [[self.statistics([gold], [[gold]])[0] for gold in golds] for golds in references]
        return np.asarray([np.max(each, axis=0) for each in golds], dtype=np.float64)

    def bounds(self, earned: Array, missing: Missing) -> tuple[float, float]:
        """Take each missing row to be answered with as many wrong characters as any row is."""
        worst = earned + missing.worst
        worst[0::3] += missing.rows * missing.most[0::3]
        return float(corpus_chrf(worst)), float(corpus_chrf(earned + missing.best))

    def totals(self, sums: Array) -> Array:
        return corpus_chrf(sums)


def corpus_chrf(sums: Array) -> Array:
    """Return the chrF of summed statistics (any leading shape, last axis as in ChrF).

    Equals `sacrebleu.CHRF()._compute_f_score`: precision and recall are averaged over the orders
    that both sides have, then combined.
    """
    answered, expected, matches = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    counted = (answered > 0) & (expected > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision, recall = (
        np.where(counted, matches / np.maximum(whole, 1), 0).sum(axis=-1) / orders
        for whole in (answered, expected)
    )
    weighed = _WEIGHT * precision + recall
    product = (1 + _WEIGHT) * precision * recall
    return np.where(weighed > 0, 100 * product / np.where(weighed > 0, weighed, 1), 0.0)


def chrf_signature() -> str:
    """Return sacreBLEU's signature, which names all that a value depends on."""
    from sacrebleu.metrics.chrf import CHRF

    chrf = CHRF()
    chrf.num_refs = -1  # rows differ in how many references they have
    return str(chrf.get_signature().format())


def _count_ngrams(text: str) -> list[Counter[str]]:
    line = "".join(text.split())
    return [
        Counter(line[start : start + size] for start in range(len(line) - size + 1))
        for size in range(1, ORDER + 1)
    ]


def _match(answered: Sequence[Counter[str]], expected: Sequence[Counter[str]]) -> list[int]:
    """Return the three counts of each order; what is answered counts where any is expected."""
    return [
        count
        for mine, theirs in zip(answered, expected, strict=True)
        for count in (
            mine.total() if theirs else 0,
            theirs.total(),
            sum(min(count, theirs[ngram]) for ngram, count in mine.items() if ngram in theirs),
        )
    ]
