"""What the class and nearest heads see of a text: hashed words, pairs of words, letter groups."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import scipy.sparse as sp

from emulator.learners.features.hashes import WIDTH
from emulator.learners.rules.classification import opinion_marks

_WORD, _MARK = r"\w+|[^\w\s]+", r"\S+"


@cache
def _vectorizers() -> tuple[Any, Any, Any]:
    """Words, letters and marks. scikit-learn costs seconds to import: only these heads pay."""
    from sklearn.feature_extraction.text import HashingVectorizer

    words = HashingVectorizer(
        ngram_range=(1, 2), n_features=WIDTH, alternate_sign=False, token_pattern=_WORD
    )
    letters = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=WIDTH, alternate_sign=False
    )
    marks = HashingVectorizer(n_features=256, norm=None, alternate_sign=False, token_pattern=_MARK)
    return words, letters, marks


def bag_of_words(texts: Sequence[str]) -> sp.csr_matrix:
    """Return texts x columns; the last 256 columns are what the un-tuned opinion rule sees."""
    # Lone surrogates, which JSON lets through, cannot be hashed as UTF-8.
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    opinions = [" ".join(opinion_marks(text)) for text in clean]
    words, letters, marks = _vectorizers()
    parts = [words.transform(clean), letters.transform(clean), marks.transform(opinions)]
    return sp.csr_matrix(sp.hstack(parts, format="csr", dtype="float32"))
