"""Sentence BLEU as sacrebleu computes it by default: 13a tokens, exponential smoothing."""

import re
from collections import Counter
from collections.abc import Sequence
from math import exp, log

_ORDER = 4
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def score_bleu(prediction: str, reference: str, *, use_effective_order: bool = False) -> float:
    """Return BLEU from 0 to 1 (Papineni et al. 2002; smoothing of Chen and Cherry 2014, method 3).

    With `use_effective_order` the mean is over the orders the prediction is long enough for.
    """
    ours, theirs = split_words(prediction), split_words(reference)
    logs, order, smoothing = 0.0, 0, 1.0
    for size in range(1, _ORDER + 1):
        matches, total = _overlap(ours, theirs, size=size)
        if not total or (size == 1 and not matches):
            break
        order = size
        if not matches:
            smoothing *= 2
        logs += log(matches / total if matches else 1 / (smoothing * total))
    if not order or (order < _ORDER and not use_effective_order):
        return 0.0
    return _brevity(len(ours), len(theirs)) * exp(logs / order)


def split_words(text: str) -> list[str]:
    """Split like the mteval-v13a script, after the white space at the end is gone."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, replacement in _SPLITS:
        text = pattern.sub(replacement, text)
    return text.split()


def _overlap(ours: Sequence[str], theirs: Sequence[str], *, size: int) -> tuple[int, int]:
    found, wanted = count_ngrams(ours, size=size), count_ngrams(theirs, size=size)
    return (found & wanted).total(), found.total()


def count_ngrams(words: Sequence[str], *, size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _brevity(ours: int, theirs: int) -> float:
    return 1.0 if ours >= theirs else exp(1 - theirs / ours)
