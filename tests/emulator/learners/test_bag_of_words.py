"""What is hashed here is what scikit-learn's HashingVectorizer hashes, to the last digit."""

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from emulator.learners.features.bag_of_words import bag_of_words
from emulator.learners.features.hashes import WIDTH
from emulator.learners.rules.classification import opinion_marks

if TYPE_CHECKING:
    from scipy import sparse

TEXTS = st.text(alphabet=st.sampled_from("aB1 \t\n-,.!'Éßİ日\ud800"), max_size=40)


def expected(texts: list[str]) -> "sparse.csr_matrix":
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer

    words = HashingVectorizer(
        ngram_range=(1, 2), n_features=WIDTH, alternate_sign=False, token_pattern=r"\w+|[^\w\s]+"
    )
    letters = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=WIDTH, alternate_sign=False
    )
    marks = HashingVectorizer(n_features=256, norm=None, alternate_sign=False, token_pattern=r"\S+")
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    opinions = [" ".join(opinion_marks(text)) for text in clean]
    parts = [words.transform(clean), letters.transform(clean), marks.transform(opinions)]
    return sparse.csr_matrix(sparse.hstack(parts, format="csr", dtype="float32"))


@given(st.lists(TEXTS | st.text(max_size=30), min_size=1, max_size=4))
@example(["a splendid, dreadful day", "", "It is not good!", "a a a a b", "I am in İstanbul  now"])
def test_features_are_those_of_scikit_learn(texts: list[str]) -> None:
    found, wanted = bag_of_words(texts), expected(texts)

    assert found.shape == wanted.shape
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part))
