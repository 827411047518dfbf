"""Masked texts: the placeholders of an answer against those of the reference."""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

from service.datasets.presets.pii import PLACEHOLDER
from service.evaluation.metrics.measures import CountAverage, References
from service.evaluation.statistics.intervals import Array

_TOKEN = re.compile(rf"{PLACEHOLDER.pattern}|\w+|[^\w\s]")
_WORD = re.compile(r"\w+")
_FIRST_WORD = re.compile(r"\s*\S+")
_LEAST_RESIDUE = 3  # characters; two letters are in any text
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


class PiiLeaks:
    """Share of the personal data of the inputs that survives in the answers, 0 to 100.

    What is personal is what the reference has placeholders for. An entity leaks when any of its
    words survives, whole or as a residue of at least three characters that are half of the word
    or more; `by_character` counts the characters that survive, of all characters of entities.
    The input stands before a row's references; alone, it is its own reference. A row's statistics
    are leaked and all.
    """

    def __init__(self, *, by_character: bool = False) -> None:
        self._by_character = by_character

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        rows = [
            min(
                (self._row(prediction, golds[0], gold) for gold in golds[1:] or golds),
                key=_leaked_share,
            )
            for prediction, golds in zip(predictions, references, strict=True)
        ]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), 2)

    def worst(self, references: References) -> Array:
        """Return rows whose answer repeats the input: all leaks."""
        return self.statistics([golds[0] for golds in references], references)

    def best(self, references: References) -> Array:
        return self.statistics([golds[-1] for golds in references], references)

    def totals(self, sums: Array) -> Array:
        """Return 0 where there is nothing personal."""
        leaked, everything = sums[..., 0], sums[..., 1]
        rate: Array = 100 * leaked / np.where(everything > 0, everything, 1)
        return rate

    def _row(self, prediction: str, source: str, reference: str) -> tuple[int, int]:
        entities = [_WORD.findall(entity) for entity in entities_of(source, reference)]
        surviving = _surviving(prediction, reference)
        kept = [[_residue(word, surviving) for word in words] for words in entities]
        if self._by_character:
            return sum(map(sum, kept)), sum(len(word) for words in entities for word in words)
        return sum(any(each) for each in kept), len(entities)


def entities_of(source: str, reference: str) -> list[str]:
    """Return the pieces of a text that its masked form has placeholders for.

    The texts between placeholders are found in the source one after the other, the last one at
    its end; what stands between is personal. Where the masked form changed other words, too, both
    are aligned word by word.
    """
    first, *literals = PLACEHOLDER.split(reference)
    if not literals:
        return []
    if not source.startswith(first) or not source.endswith(literals[-1]):
        return _aligned(source, reference)
    entities, at, stop = [], len(first), len(source) - len(literals[-1])
    for literal in literals[:-1]:
        found = source.find(literal, at + 1, stop) if literal else _word_end(source, at)
        if found < 0:
            return _aligned(source, reference)
        entities.append(source[at:found].strip())
        at = found + len(literal)
    return list(filter(None, [*entities, source[at:stop].strip()]))


def _aligned(source: str, reference: str) -> list[str]:
    given, masked = _TOKEN.findall(source), _TOKEN.findall(reference)
    first, second = ([token.casefold() for token in tokens] for tokens in (given, masked))
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return [
        " ".join(given[start:end])
        for kind, start, end, low, high in matcher.get_opcodes()
        if kind == "replace" and any(map(PLACEHOLDER.fullmatch, masked[low:high]))
    ]


def _word_end(source: str, at: int) -> int:
    found = _FIRST_WORD.match(source, at)
    return found.end() if found else len(source)


def _surviving(prediction: str, reference: str) -> Counter[str]:
    """Return the words of an answer beyond those of the reference; placeholders are no words."""
    answered, expected = (
        Counter(word.casefold() for word in _WORD.findall(PLACEHOLDER.sub(" ", text)))
        for text in (prediction, reference)
    )
    return answered - expected


def _residue(word: str, surviving: Counter[str]) -> int:
    """Return how many characters of a word survive; a word that is taken survives once."""
    folded = word.casefold()
    if surviving[folded] > 0:
        surviving[folded] -= 1
        return len(word)
    others = (other for other, count in surviving.items() if count > 0)
    longest = max((_common(folded, other) for other in others), default=0)
    return longest if longest >= max(_LEAST_RESIDUE, len(word) / 2) else 0


def _common(one: str, other: str) -> int:
    """Return the length of the longest run of characters that two words share."""
    for size in range(min(len(one), len(other)), _LEAST_RESIDUE - 1, -1):
        if any(one[at : at + size] in other for at in range(len(one) - size + 1)):
            return size
    return 0


def _leaked_share(row: tuple[int, int]) -> float:
    leaked, everything = row
    return leaked / everything if everything else 0.0


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
