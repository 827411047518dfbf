"""What the span head sees of each token of a passage: its look and how it stands to the question.

Words that are rare in the training prompts are seen by class and shape only, so what is learned
carries over to passages on other subjects. Token 0 stands for "no answer".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.learners.features.hashes import Columns, Hashes, columns_of, cross_all
from emulator.learners.features.question_match import Match, match_question
from emulator.learners.rules.patterns import find_values
from emulator.learners.rules.question_answering import answer_question
from emulator.learners.tokens import (
    QUESTION_WORDS,
    STOP_WORDS,
    find_words,
    hash_text,
    shape_of,
    words_of,
)

Ints = NDArray[np.int64]

NO_ANSWER = "\x02"
PADDING = 2
WORD, CLASS, SHAPE, SUFFIX = range(4)
YEAR_DIGITS = 4


class Hint(NamedTuple):
    """Where the un-tuned rules see something: a mark per token, and first and last answer token."""

    marks: Ints
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Passage:
    """Columns of every token of a passage (token 0 first), and the un-tuned rule's answer."""

    columns: Columns
    hint: Hint


class PassageReader:
    """Reads passages; `common` are the words frequent enough in training to be seen as themselves.

    Results are cached until `clear`, because the keys of one JSON object share a passage.
    """

    def __init__(self, common: frozenset[str]) -> None:
        self.common = common
        self._views: dict[str, tuple[int, ...]] = {}
        self._passages: dict[tuple[str, str], Passage] = {}

    def read(self, source: str, query: str) -> Passage:
        # Another thread may clear the cache at any moment, so the passage is held here.
        passage = self._passages.get((source, query)) or self._read(source, query)
        self._passages[source, query] = passage
        return passage

    def clear(self) -> None:
        self._passages.clear()

    def _read(self, source: str, query: str) -> Passage:
        words = [NO_ANSWER, *words_of(source)]
        question_words = [word.lower() for word in words_of(query)]
        hint = _question_hint(source, query, words) if query else _value_hint(source, words)
        match = match_question(words, question_words)
        views = self._padded_views(words)
        features = [
            *_look_features(views, len(words)),
            *_question_features(views, len(words), question_words=question_words),
            *_match_features(views, match, question_words=question_words),
            *_hint_features(views, hint, match=match, question_words=question_words),
        ]
        return Passage(columns_of(features), hint)

    def _padded_views(self, words: Sequence[str]) -> Hashes:
        before, after = np.full((PADDING, 4), 7), np.full((PADDING, 4), 9)
        rows = [self._word_views(word) for word in words]
        return np.vstack([before, np.array(rows), after]).astype(np.uint64)

    def _word_views(self, word: str) -> tuple[int, ...]:
        views = self._views.get(word)
        if views is None:
            views = self._views[word] = _hash_views(word, known=word.lower() in self.common)
        return views


def common_words(sources: Sequence[str]) -> frozenset[str]:
    """Return the words in at least three texts and in 2 % of them."""
    counts: Counter[str] = Counter()
    for source in sources:
        counts.update({word.lower() for word in words_of(source)})
    enough = max(3, 0.02 * len(sources))
    return frozenset(word for word, seen in counts.items() if seen >= enough)


def _hash_views(word: str, *, known: bool) -> tuple[int, ...]:
    lower, digits = word.lower(), sum(letter.isdigit() for letter in word)
    marks = "".join(sorted({letter for letter in word if not letter.isalnum()}))[:3]
    kind = "".join(
        (
            "U" if word[:1].isupper() else "u",
            "D" * (digits > 0),
            "A" * (digits < len(word)),
            marks,
            "Y" * (digits == len(word) == YEAR_DIGITS),
            "S" * (lower in STOP_WORDS),
        )
    )
    itself = lower if known else f"rare {kind} {lower[-2:]}"
    views = (itself, "class " + kind, "shape " + shape_of(word), "suffix " + lower[-3:])
    return tuple(hash_text(view) for view in views)


def _asked_hashes(question_words: Sequence[str]) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return hashes of the question word, of it with the next word, and of the requested thing."""
    at = next((i for i, word in enumerate(question_words) if word in QUESTION_WORDS), 0)
    thing = next((word for word in question_words[at + 1 :] if word not in STOP_WORDS), "")
    one, two = " ".join(question_words[at : at + 1]), " ".join(question_words[at : at + 2])
    hashes = (hash_text("one " + one), hash_text("two " + two), hash_text("thing " + thing))
    return np.uint64(hashes[0]), np.uint64(hashes[1]), np.uint64(hashes[2])


def _look_features(views: Hashes, size: int) -> list[Hashes]:
    def at(offset: int, view: int) -> Hashes:
        return views[PADDING + offset : PADDING + offset + size, view]

    return [
        *(at(0, view) for view in range(4)),
        *(at(offset, WORD) for offset in (-1, 1, -2, 2)),
        at(-1, CLASS),
        at(1, CLASS),
        cross_all(at(-1, CLASS), at(0, CLASS), at(1, CLASS)),
        cross_all(at(-1, WORD), at(0, CLASS)),
        cross_all(at(0, CLASS), at(1, WORD)),
        cross_all(at(-2, WORD), at(-1, WORD), at(0, CLASS)),
    ]


def _question_features(views: Hashes, size: int, *, question_words: Sequence[str]) -> list[Hashes]:
    def at(offset: int, view: int) -> Hashes:
        return views[PADDING + offset : PADDING + offset + size, view]

    one, two, thing = (np.full(size, value) for value in _asked_hashes(question_words))
    return [
        *(cross_all(question, at(0, CLASS)) for question in (one, two, thing)),
        cross_all(one, at(0, SHAPE)),
        cross_all(two, at(0, SHAPE)),
        cross_all(one, at(0, SUFFIX)),
        cross_all(one, at(-1, WORD)),
        cross_all(two, at(-1, WORD)),
        cross_all(one, at(1, WORD)),
        cross_all(two, at(0, CLASS), at(-1, CLASS)),
        cross_all(thing, at(0, SUFFIX)),
        cross_all(two, at(0, WORD)),
    ]


def _match_features(views: Hashes, match: Match, *, question_words: Sequence[str]) -> list[Hashes]:
    size = len(match.hit)
    kind = views[PADDING : PADDING + size, CLASS]
    one = np.full(size, _asked_hashes(question_words)[0])
    padded = np.pad(match.hit, PADDING)
    around = np.stack([padded[PADDING + k : PADDING + k + size] for k in (0, -1, 1, -2, 2)])
    hits = np.array([16, 8, 4, 2, 1]) @ around
    hit, rank, window = match.hit, match.rank, match.window
    numbers = [
        rank * 10 + match.coverage,
        hits,
        match.left,
        match.right,
        match.left * 10 + match.right,
        window,
        window * 5 + rank,
        hit * 9 + window,
    ]
    typed = [cross_all(_hashes(value), kind) for value in (rank * 2 + hit, window * 2 + hit)]
    asked_kind = cross_all(one, kind)
    asking = [
        cross_all(asked_kind, _hashes(value)) for value in (window // 2, (rank > 0) * 2 + hit)
    ]
    return [*map(_hashes, numbers), *typed, *asking]


def _hint_features(
    views: Hashes, hint: Hint, *, match: Match, question_words: Sequence[str]
) -> list[Hashes]:
    marks, size = _hashes(hint.marks), len(hint.marks)
    one = np.full(size, _asked_hashes(question_words)[0])
    kind = views[PADDING : PADDING + size, CLASS]
    return [cross_all(marks, one), cross_all(marks, kind), _hashes(hint.marks * 10 + match.window)]


def _question_hint(source: str, query: str, words: Sequence[str]) -> Hint:
    """Mark the un-tuned rule's answer: 1 its first token, 2 inside, 3 its last, 4 both at once."""
    marks = np.zeros(len(words), np.int64)
    found = find_words(words, words_of(answer_question(source, query)))
    if found is None:
        return Hint(marks, -1, -1)
    first, last = found
    marks[first : last + 1] = 2
    marks[first], marks[last] = 1, 3
    if first == last:
        marks[first] = 4
    return Hint(marks, first, last)


def _value_hint(source: str, words: Sequence[str]) -> Hint:
    """Mark every value the un-tuned patterns find by its kind, its first token apart."""
    marks, starts, at = np.zeros(len(words), np.int64), [0], 0
    for word in words[1:]:
        at = source.index(word, at)
        starts.append(at)
        at += len(word)
    for found in find_values(source):
        first, end = np.searchsorted(starts[1:], (found.start, found.end)) + 1
        kind = hash_text(found.kind) & 0xFFFFF
        marks[first:end] = kind
        marks[first : first + 1] += 1
    return Hint(marks, -1, -1)


def _hashes(values: Ints) -> Hashes:
    return values.astype(np.uint64)
