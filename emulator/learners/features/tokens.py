"""What the edit head sees of a token: itself, its neighbours, its line and the rules' findings."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from emulator.learners.features.hashes import WIDTH, Columns, Hashes, columns_of, cross_all
from emulator.learners.rules.patterns import find_personal
from emulator.learners.tokens import STOP_WORDS, Token, hash_text, shape_of

OUTSIDE = "\x02"
# Two tokens of padding: no feature looks further than two tokens away.
PADDING = 2
# The columns of a word; between them stand its short suffix and its lengths.
WORD, SHAPE, PREFIX, SUFFIX, _, _, CLASS = range(7)
LONGEST_COUNTED = 20
# A line such as `Mobile phone: 555` is labelled by at most so many tokens.
LONGEST_LABEL = 3


class WordTable:
    """Hashes of the views of a word, computed once per distinct word."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._hashes: list[list[int]] = []

    def lookup(self, words: Sequence[str]) -> Hashes:
        """Return a words x views array."""
        rows = [self._row(word) for word in words]
        hashes: Hashes = np.array(self._hashes, np.uint64)[rows]
        return hashes

    def _row(self, word: str) -> int:
        row = self._rows.get(word)
        if row is None:
            row = self._rows[word] = len(self._hashes)
            self._hashes.append(_word_hashes(word))
        return row


def _word_hashes(word: str) -> list[int]:
    lower, digits = word.lower(), sum(letter.isdigit() for letter in word)
    marks = "".join(sorted({letter for letter in word if not letter.isalnum()}))
    capital = "U" if word[:1].isupper() else ""
    kind = capital * (2 if word.isupper() and len(word) > 1 else 1)
    kind += ("D" if digits else "") + ("A" if digits < len(word) else "")
    kind += "S" if lower in STOP_WORDS else ""
    views = (
        lower,
        "shape " + shape_of(word),
        "prefix " + lower[:3],
        "suffix " + lower[-3:],
        "short suffix " + lower[-2:],
        f"lengths {min(len(word), LONGEST_COUNTED)} {min(digits, LONGEST_COUNTED)}",
        "class " + marks + kind,
    )
    return [hash_text(view) for view in views]


def token_columns(texts: Sequence[Sequence[Token]], kinds: Sequence[Sequence[str]]) -> Columns:
    """Return tokens x features column numbers for all tokens of all texts, one after another.

    `kinds` are what `kinds_of` finds in the texts.
    """
    words, places = _padded([[token.word for token in text] for text in texts])
    if not len(places):
        return np.empty((0, 1), np.int32)
    views = WordTable().lookup(words)
    rules = _padded_hashes("rule ", kinds)
    features = _word_features(views, places) + _rule_features(rules, views, places)
    return columns_of([*features, *_line_features(texts, views, places)])


def token_matrix(columns: Columns) -> sp.csr_matrix:
    """Return the columns as a matrix of ones; every row has equally many."""
    rows, per_row = columns.shape
    size = rows * per_row
    ends = np.arange(0, size + 1, per_row)
    return sp.csr_matrix((np.ones(size, np.float32), columns.ravel(), ends), shape=(rows, WIDTH))


def _padded(texts: Sequence[Sequence[str]]) -> tuple[list[str], NDArray[np.int64]]:
    words, places = [OUTSIDE] * PADDING, []
    for text in texts:
        places.append(np.arange(len(words), len(words) + len(text)))
        words += [*text, *[OUTSIDE] * PADDING]
    return words, np.concatenate(places) if places else np.empty(0, np.int64)


def _word_features(views: Hashes, places: NDArray[np.int64]) -> list[Hashes]:
    def at(offset: int, view: int) -> Hashes:
        seen: Hashes = views[places + offset, view]
        return seen

    alone = [at(0, view) for view in range(views.shape[1])]
    around = [
        at(offset, view)
        for offset in (-1, 1, -2, 2)
        for view in ((WORD, SHAPE, CLASS, SUFFIX) if abs(offset) == 1 else (WORD, CLASS))
    ]
    together = [
        cross_all(at(-1, WORD), at(0, CLASS)),
        cross_all(at(0, CLASS), at(1, WORD)),
        cross_all(at(-1, CLASS), at(0, SHAPE), at(1, CLASS)),
        cross_all(at(-2, WORD), at(-1, WORD), at(0, CLASS)),
        cross_all(at(0, SHAPE), at(1, SHAPE)),
        cross_all(at(-1, SHAPE), at(0, SHAPE)),
        cross_all(at(0, CLASS), at(1, WORD), at(2, WORD)),
    ]
    return [*alone, *around, *together]


def _rule_features(rules: Hashes, views: Hashes, places: NDArray[np.int64]) -> list[Hashes]:
    here, before, after = rules[places], rules[places - 1], rules[places + 1]
    shape_class = views[places, CLASS]
    far = [rules[places - 2], rules[places + 2]]
    mixed = [cross_all(rule, shape_class) for rule in (here, before, after)]
    return [
        here,
        before,
        after,
        *far,
        *mixed,
        cross_all(here, before),
        cross_all(before, here, after),
    ]


def _line_features(
    texts: Sequence[Sequence[Token]], views: Hashes, places: NDArray[np.int64]
) -> list[Hashes]:
    """Return what a form says of a token: the label its line begins with, and where it stands."""
    seen = [_lines(tokens) for tokens in texts]
    label = _padded_hashes("label ", [labels for labels, _ in seen])[places]
    place = _padded_hashes("place ", [where for _, where in seen])[places]
    shape, shape_class = views[places, SHAPE], views[places, CLASS]
    mixed = [cross_all(label, shape), cross_all(label, shape_class), cross_all(place, shape_class)]
    return [label, place, *mixed]


def _lines(tokens: Sequence[Token]) -> tuple[list[str], list[str]]:
    """Return per token the words before the colon of its line, and its place in line and text."""
    labels, places, begun, line = [], [], 0, 0
    label = ""
    for at, token in enumerate(tokens):
        if at and "\n" in token.gap:
            begun, line, label = at, line + 1, ""
        labels.append(label)
        places.append(f"{min(at - begun, 2)} {min(line, 2)}")
        if token.word == ":" and at - begun <= LONGEST_LABEL:
            label = " ".join(token.word.lower() for token in tokens[begun:at])
    return labels, places


def _padded_hashes(view: str, marks: Sequence[Sequence[str]]) -> Hashes:
    """Return hashes of marks of tokens, padded like the words."""
    flat = [""] * PADDING
    for text in marks:
        flat += [*text, *[""] * PADDING]
    known = {mark: hash_text(view + mark) for mark in set(flat)}
    return np.array([known[mark] for mark in flat], np.uint64)


def kinds_of(tokens: Sequence[Token], source: str) -> list[str]:
    """Return per token the kind of the rules' finding it is part of, "" for none."""
    kinds, starts = [""] * len(tokens), [token.start for token in tokens]
    for found in find_personal(source):
        first, last = np.searchsorted(starts, (found.start, found.end))
        kinds[first:last] = [found.kind] * int(last - first)
    return kinds
