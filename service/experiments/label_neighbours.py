"""What similar training rows are labelled, as evidence beside the votes of models. Pure.

Rows with a wrong label tend to stand among rows of another one (k nearest neighbours as a filter of
labels: Wilson, Asymptotic properties of nearest neighbor rules using edited data, 1972). Similar is
what shares n-grams of characters, by the cosine of their TF-IDF weights.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.experiments.label_errors import LabelError

MOST_ROWS = 10_000  # of the training rows are compared with: the first ones, which all models saw
_CHARACTERS = 500  # of a text are compared
_NEIGHBOURS = 10
# Fixed on one draw of tweets, Banking77 and SST-2, reported on others: bench/statistics.
_WEIGHT, _LEAST_SHARE = 4.0, 0.05
_FEATURES = 2**20  # hashed n-grams: memory does not grow with the vocabulary
_BLOCK = 256  # suspects that are compared at a time


def weigh_neighbours(
    found: Sequence[LabelError], rows: Mapping[int, tuple[str, str]]
) -> list[LabelError]:
    """Return the suspects in a new order, the strongest evidence first.

    To the evidence of the votes comes the weighted log ratio of how much of a suspect's neighbours
    have the suggested label, to how much have its own. `rows` has text and label by position:
    those of the suspects among them.
    """
    if not found:
        return []
    near = _neighbours([each.position for each in found], rows)
    least = _LEAST_SHARE + 0.5 / len({label for _, label in rows.values()})
    weighed = [
        replace(each, evidence=each.evidence + _WEIGHT * _log_ratio(each, shares, least))
        for each, shares in zip(found, near, strict=True)
    ]
    return sorted(weighed, key=lambda each: (-each.evidence, each.position))


def _log_ratio(suspect: LabelError, shares: Mapping[str, float], least: float) -> float:
    suggested, own = (shares.get(label, 0.0) for label in (suspect.suggested, suspect.label))
    return math.log((suggested + least) / (own + least))


def _neighbours(
    suspects: Sequence[int], rows: Mapping[int, tuple[str, str]]
) -> Iterator[Mapping[str, float]]:
    """Yield for each suspect the share of its neighbours' similarity that each label has."""
    places = sorted(rows)
    vectors = _vectors([rows[place][0] for place in places])
    row_of = {place: row for row, place in enumerate(places)}
    for start in range(0, len(suspects), _BLOCK):
        at = np.array([row_of[place] for place in suspects[start : start + _BLOCK]])
        alike: NDArray[np.float32] = (vectors[at] @ vectors.T).toarray()
        alike[np.arange(len(at)), at] = 0.0  # a row is no neighbour of itself
        for similarity in alike:
            nearest = np.argsort(-similarity, kind="stable")[:_NEIGHBOURS]
            yield _shares([(rows[places[row]][1], float(similarity[row])) for row in nearest])


def _shares(neighbours: Sequence[tuple[str, float]]) -> Mapping[str, float]:
    total = sum(similarity for _, similarity in neighbours)
    shares: dict[str, float] = {}
    for label, similarity in neighbours:
        if similarity > 0:
            shares[label] = shares.get(label, 0.0) + similarity / total
    return shares


def _vectors(texts: Sequence[str]) -> Any:
    """Return a sparse matrix with a row of length one for each text."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(3, 5),
        n_features=_FEATURES,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    ).transform(text[:_CHARACTERS] for text in texts)
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts)
