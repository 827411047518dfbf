"""ROUGE-1, -2 and -L as the rouge_score package computes them."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from service.evaluation.metrics.measures import RowAverage
from service.evaluation.metrics.porter import stem

Kind = Literal["1", "2", "L"]
_WORD = re.compile(r"[a-z0-9]+")
_SHORTEST_STEMMED = 4  # rouge_score leaves shorter words alone


class Rouge(RowAverage):
    """Mean F1 of shared words, word pairs or the longest common subsequence, 0 to 100 (Lin 2004).

    Words are runs of a-z and 0-9 in lower case: other scripts have none, and earn 0. With `stems`
    the words' stems are compared (Porter, as NLTK has it).
    """

    def __init__(self, kind: Kind, *, stems: bool = False) -> None:
        self._kind, self._stems = kind, stems

    def earned(self, prediction: str, reference: str) -> float:
        ours, theirs = (split_words(each, stems=self._stems) for each in (prediction, reference))
        if self._kind == "L":
            return _f1(common_length(ours, theirs), len(ours), len(theirs))
        found, expected = (_count_ngrams(words, int(self._kind)) for words in (ours, theirs))
        return _f1((found & expected).total(), found.total(), expected.total())


def split_words(text: str, *, stems: bool = False) -> list[str]:
    words = _WORD.findall(text.lower())
    if not stems:
        return words
    return [stem(word) if len(word) >= _SHORTEST_STEMMED else word for word in words]


def loses_words(reference: str) -> bool:
    """Say whether ROUGE sees no word of a text, or less than half of its letters and digits."""
    seen = sum(map(len, split_words(reference)))
    return not seen or (not reference.isascii() and 2 * seen < sum(map(str.isalnum, reference)))


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    Bits instead of a table, a hundred times as fast: Hyyrö (2004), Bit-parallel LCS-length
    computation revisited.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        taken = row & places.get(word, 0)
        row = ((row + taken) | (row - taken)) & every
    return len(first) - row.bit_count()


def _count_ngrams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if common else 0.0
