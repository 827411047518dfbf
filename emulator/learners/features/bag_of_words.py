"""What the class and nearest heads see of a text: hashed words, pairs of words, letter groups.

The columns and numbers are those of scikit-learn's HashingVectorizer, whose hashing is called
here; the package around it would take each process that learns or answers 1.1 s to import.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from emulator.bare_imports import import_bare
from emulator.learners.features.hashes import WIDTH
from emulator.learners.rules.classification import opinion_marks

_WORD, _MARK = re.compile(r"\w+|[^\w\s]+"), re.compile(r"\S+")
_LETTERS = range(3, 6)
_MARK_COLUMNS = 256


def bag_of_words(texts: Sequence[str]) -> sp.csr_matrix:
    """Return texts x columns; the last 256 columns are what the un-tuned opinion rule sees."""
    # Lone surrogates, which JSON lets through, cannot be hashed as UTF-8.
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    opinions = (" ".join(opinion_marks(text)) for text in clean)
    parts = [
        _of_length_one(_counted((_words(text.lower()) for text in clean), WIDTH)),
        _of_length_one(_counted((_letter_groups(text.lower()) for text in clean), WIDTH)),
        _counted((_MARK.findall(text.lower()) for text in opinions), _MARK_COLUMNS),
    ]
    return sp.csr_matrix(sp.hstack(parts, format="csr", dtype="float32"))


def _words(text: str) -> list[str]:
    words = _WORD.findall(text)
    return words + [" ".join(pair) for pair in pairwise(words)]


def _letter_groups(text: str) -> Iterator[str]:
    """Yield the groups of letters within words, which spaces enclose; short words once."""
    for word in text.split():
        padded = f" {word} "
        for length in _LETTERS:
            for start in range(max(len(padded) - length, 0) + 1):
                yield padded[start : start + length]
            if len(padded) <= length:
                break


@cache
def _hashing() -> Any:
    packages = ("sklearn", "sklearn.utils", "sklearn.feature_extraction")
    [hashing] = import_bare(["sklearn.feature_extraction._hashing_fast"], packages=packages)
    return hashing


def _counted(rows: Iterable[Iterable[str]], width: int) -> sp.csr_matrix:
    """Return how often each row has what is hashed to a column."""
    named = (((name, 1) for name in row) for row in rows)
    columns, starts, counts = _hashing().transform(named, width, np.float64, False, seed=0)  # noqa: FBT003  its sign
    counted = sp.csr_matrix((counts, columns, starts), shape=(len(starts) - 1, width))
    counted.sum_duplicates()
    return counted


def _of_length_one(counted: sp.csr_matrix) -> sp.csr_matrix:
    squares = np.asarray(counted.multiply(counted).sum(axis=1)).ravel()
    counted.data /= np.repeat(np.sqrt(squares), np.diff(counted.indptr))
    return counted
