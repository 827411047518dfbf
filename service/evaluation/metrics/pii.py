"""Masked texts: the placeholders of an answer against those of the reference."""

import re
from collections.abc import Sequence

import numpy as np

from service.datasets.presets.pii import PLACEHOLDER
from service.evaluation.metrics.measures import CountAverage

_TOKEN = re.compile(rf"{PLACEHOLDER.pattern}|\w+|[^\w\s]")
_MATCH = 1 << 20  # a matched token weighs more than all labels of a text


class PiiEntities(CountAverage):
    """Micro-averaged F1 of masked entities, 0 to 100.

    Answer and reference are aligned word by word, any placeholder with any other; an entity counts
    where the placeholders that stand at one place have the same label, whatever their brackets
    (`[EMAIL]`, `<email>`, `{{email}}`). Without `labels` any placeholder in its place counts.
    """

    def __init__(self, *, labels: bool = True) -> None:
        self._labels = labels

    def counts(self, prediction: str, reference: str) -> tuple[int, int, int]:
        found, expected = self._tokens(prediction), self._tokens(reference)
        return aligned_entities(found, expected), _entities(found), _entities(expected)

    def _tokens(self, text: str) -> list[str]:
        return [
            self._placeholder(token) if PLACEHOLDER.fullmatch(token) else token
            for token in _TOKEN.findall(text)
        ]

    def _placeholder(self, token: str) -> str:
        return f"[{token.strip('[]<>{} ').casefold() if self._labels else ''}]"


def aligned_entities(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many places hold the same placeholder in both texts, once these are aligned.

    The alignment is a longest common subsequence in which all placeholders are alike; of several
    the one with the most equal placeholders.
    """
    start = _shared_start(first, second)
    end = _shared_start(first[start:][::-1], second[start:][::-1])
    longer, shorter = (
        each[start : len(each) - end] for each in sorted((first, second), key=len, reverse=True)
    )
    outside = _entities(first[:start]) + _entities(first[len(first) - end :])
    words = np.array([_word(token) for token in longer], dtype=object)
    tokens = np.array(longer, dtype=object)
    best = np.zeros(len(longer) + 1, dtype=np.int64)
    for token in shorter:
        gain = _MATCH * (words == _word(token)) + (_is_entity(token) & (tokens == token))
        best[1:] = np.maximum.accumulate(np.maximum(best[1:], best[:-1] + gain))
    return outside + int(best[-1] % _MATCH)


def _shared_start(first: Sequence[str], second: Sequence[str]) -> int:
    pairs = zip(first, second, strict=False)
    least = min(len(first), len(second))
    return next((place for place, (one, other) in enumerate(pairs) if one != other), least)


def _entities(tokens: Sequence[str]) -> int:
    return sum(map(_is_entity, tokens))


def _is_entity(token: str) -> bool:
    return len(token) > 1 and token[0] == "["


def _word(token: str) -> str:
    return "[]" if _is_entity(token) else token
