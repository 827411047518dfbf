"""Corpus BLEU as sacreBLEU computes it: 13a tokens, case kept, exponential smoothing."""

from collections.abc import Sequence

import numpy as np

from service.evaluation.metrics.measures import References
from service.evaluation.statistics.intervals import Array

ORDER = 4


class SacreBleu:
    """Corpus BLEU over all rows, 0 to 100 (Papineni et al. 2002; Post 2018).

    A row's statistics are answer length, reference length, matches of 1- to 4-grams and 1- to
    4-grams answered.
    """

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        from sacrebleu.metrics.bleu import BLEU

        # effective_order silences a warning about sentence scores; the counts ignore it.
        bleu = BLEU(effective_order=True)
        rows = []
        for prediction, golds in zip(predictions, references, strict=True):
            sentence = bleu.sentence_score(prediction, list(golds))
            rows.append([sentence.sys_len, sentence.ref_len, *sentence.counts, *sentence.totals])
        return np.asarray(rows, dtype=np.float64)

    def worst(self, references: References) -> Array:
        """Return rows answered with nothing; words that match nothing could cost more still."""
        return self.statistics([""] * len(references), references)

    def best(self, references: References) -> Array:
        return self.statistics([golds[0] for golds in references], references)

    def totals(self, sums: Array) -> Array:
        return corpus_bleu(sums)


def corpus_bleu(sums: Array) -> Array:
    """Return the BLEU of summed statistics (any leading shape, last axis as in SacreBleu).

    Equals `sacrebleu.BLEU.compute_bleu(..., smooth_method="exp")` on each row: every order
    without a match halves the credit of the next; no match at all, or an order with nothing
    answered, scores 0.
    """
    lengths, reference_lengths = sums[..., 0], sums[..., 1]
    matches, answered = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    halvings = np.cumsum(matches == 0, axis=-1)
    credit = np.where(matches == 0, 0.5**halvings, matches)
    logs = np.log(credit / np.maximum(answered, 1)).mean(axis=-1)
    shortfall = np.minimum(0, 1 - reference_lengths / np.maximum(lengths, 1))
    scored = (matches > 0).any(axis=-1) & (answered > 0).all(axis=-1)
    return np.where(scored, 100 * np.exp(shortfall + logs), 0.0)
