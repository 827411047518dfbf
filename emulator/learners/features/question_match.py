"""How the tokens of a passage stand to the words of a question: hits, distances, sentences."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.learners.tokens import QUESTION_WORDS, STOP_WORDS, stem

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEAR_TOKENS = 7
# Distances fall into eight buckets: 0 to 5 each its own, up to 12 together, beyond together.
DISTANCE_BUCKET = np.array([0, 1, 2, 3, 4, 5, 5, 5] + [6] * 5 + [7])
FARTHEST_RANK = 4
# Shorter words with a mark in them are punctuation.
SHORTEST_MIXED_WORD = 3


class Match(NamedTuple):
    """How the tokens of a passage match the question's words."""

    hit: Ints
    weight: Floats
    left: Ints
    right: Ints
    window: Ints
    rank: Ints
    coverage: Ints


def _content_stems(question_words: Sequence[str]) -> frozenset[str]:
    content = (word for word in question_words if word not in STOP_WORDS | QUESTION_WORDS)
    return frozenset(stem(w) for w in content if w.isalnum() or len(w) >= SHORTEST_MIXED_WORD)


def match_question(words: Sequence[str], question_words: Sequence[str]) -> Match:
    stems_of_question, stems = _content_stems(question_words), [stem(word) for word in words]
    seen = Counter(stems)
    hit = np.array([word in stems_of_question for word in stems], np.int64)
    weight: Floats = np.array([seen[word] ** -0.5 for word in stems]) * hit
    rank, coverage = _sentence_ranks(words, stems, weight=weight)
    left, right = _distances(hit)
    return Match(hit, weight, left, right, _window(weight), rank, coverage)


def _sentence_ranks(
    words: Sequence[str], stems: Sequence[str], *, weight: Floats
) -> tuple[Ints, Ints]:
    """Return per token the rank of its sentence by matched words, and that sentence's share."""
    sentence = np.cumsum([0] + [word in ".!?" for word in words])[: len(words)]
    matched: list[dict[str, float]] = [{} for _ in range(int(sentence[-1]) + 1)]
    for at in np.flatnonzero(weight):
        matched[sentence[at]][stems[int(at)]] = float(weight[at])
    scores = np.array([sum(found.values()) for found in matched])
    order = (-scores).argsort(kind="stable").argsort(kind="stable")
    share = (6 * scores / max(scores.max(), 1e-9)).astype(np.int64)
    return np.minimum(order, FARTHEST_RANK)[sentence], share[sentence]


def _distances(hit: Ints) -> tuple[Ints, Ints]:
    """Return bucketed distances to the nearest matched token on the left and on the right."""
    size, places = len(hit), np.flatnonzero(hit)
    if not len(places):
        far = np.full(size, DISTANCE_BUCKET[-1])
        return far, far
    at, beyond = np.arange(size), len(DISTANCE_BUCKET) - 1
    before = np.searchsorted(places, at, "left") - 1
    after = np.searchsorted(places, at, "right")
    left = np.where(before >= 0, at - places[np.maximum(before, 0)], beyond)
    last = len(places) - 1
    right = np.where(after <= last, places[np.minimum(after, last)] - at, beyond)
    return DISTANCE_BUCKET[np.minimum(left, beyond)], DISTANCE_BUCKET[np.minimum(right, beyond)]


def _window(weight: Floats) -> Ints:
    """Return how much of the question is matched around each token, in eighths of the best."""
    size, total = len(weight), np.r_[0, np.cumsum(weight)]
    at = np.arange(size)
    end, start = np.minimum(at + NEAR_TOKENS + 1, size), np.maximum(at - NEAR_TOKENS, 0)
    near = total[end] - total[start]
    eighths: Ints = np.minimum(8 * near / max(near.max(), 1e-9), 8).astype(np.int64)
    return eighths
