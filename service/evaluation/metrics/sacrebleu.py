"""Corpus BLEU as sacreBLEU computes it: case kept, exponential smoothing, three tokenisers."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import numpy as np

from service.evaluation.metrics.measures import Missing, References
from service.evaluation.metrics.normal_forms import UNSPACED, lacks_spaces
from service.evaluation.statistics.intervals import Array

ORDER = 4
Tokeniser = Literal["13a", "zh", "char"]
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class SacreBleu:
    """Corpus BLEU over all rows, 0 to 100 (Papineni et al. 2002; Post 2018).

    A row's statistics are answer length, reference length, matches of 1- to 4-grams and 1- to
    4-grams answered. Without a tokeniser each row is cut by the one that fits the script of its
    first reference; where all rows are of one script, the score is that of its tokeniser.
    """

    def __init__(self, tokeniser: Tokeniser | None = "13a") -> None:
        self._tokeniser = tokeniser

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        rows = []
        for prediction, golds in zip(predictions, references, strict=True):
            bleu = _library(self._tokeniser or tokeniser_for(golds[0]))
            sentence = bleu.sentence_score(prediction, list(golds))
            rows.append([sentence.sys_len, sentence.ref_len, *sentence.counts, *sentence.totals])
        return np.asarray(rows, dtype=np.float64)

    def worst(self, references: References) -> Array:
        """Return rows answered with nothing, held against their longest reference."""
        silent = [max(self._silent(gold) for gold in golds) for golds in references]
        return np.asarray(silent, dtype=np.float64)

    def best(self, references: References) -> Array:
        """Return rows answered with the longest of their references, held against the shortest."""
        golds = [[self.statistics([gold], [golds])[0] for gold in golds] for golds in references]
        rows = np.asarray([np.max(each, axis=0) for each in golds], dtype=np.float64)
        rows[:, 1] = [min(row[0] for row in each) for each in golds]
        return rows

    def bounds(self, earned: Array, missing: Missing) -> tuple[float, float]:
        """Take answers to be as long as costs or helps most, up to the longest one there is.

        Brevity and precision are bounded each by itself: the worst answers say nothing for the one
        and, for the other, as many wrong words as any; the best ones are right, and long enough.
        """
        worst, best = earned + missing.worst, earned + missing.best
        longest = missing.rows * missing.most
        lengthy = worst.copy()
        lengthy[2 + ORDER :] += longest[2 + ORDER :]
        best[0] = max(best[0], earned[0] + longest[0])
        return float(corpus_bleu(lengthy)), float(corpus_bleu(best))

    def totals(self, sums: Array) -> Array:
        return corpus_bleu(sums)

    def _silent(self, gold: str) -> list[float]:
        row: list[float] = self.statistics([""], [[gold]])[0].tolist()
        return row


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


def tokeniser_for(text: str) -> Tokeniser:
    """Return the tokeniser for a text: `zh` where it is Chinese, `char` for other scripts without
    spaces (kana, Thai, Khmer, ...), where these make up over half of its letters; else `13a`.
    """
    if not lacks_spaces(text):
        return "13a"
    return "zh" if len(_HAN.findall(text)) == len(UNSPACED.findall(text)) else "char"


def is_unfit(reference: str, tokeniser: Tokeniser | None) -> bool:
    """Say whether BLEU is 0 for a right answer: 13a where no spaces part words, under four tokens.

    A text under four tokens has no 4-gram to match. To 13a `don't stop` is two, an emoji and its
    neighbour are one.
    """
    fitting = tokeniser_for(reference)
    if tokeniser == "13a" and fitting != "13a":
        return True
    return len(_library(tokeniser or fitting).tokenizer(reference).split()) < ORDER


@cache
def _library(tokeniser: Tokeniser) -> Any:
    """Return sacreBLEU's own BLEU; `effective_order` silences a warning, the counts ignore it."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokeniser, effective_order=True)


def bleu_signature(tokeniser: Tokeniser | None = "13a") -> str:
    """Return sacreBLEU's signature, which names all that a value depends on."""
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(tokenize=tokeniser or "13a")
    bleu.num_refs = -1  # rows differ in how many references they have
    signature = str(bleu.get_signature().format())
    return signature if tokeniser else signature.replace("tok:13a", "tok:13a,zh,char by script:2")
