"""What masking shots show: which label each kind of finding got, and which words were masked."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from emulator.learners.alignment import KEEP, edit_tags
from emulator.learners.rules.patterns import Found, find_personal
from emulator.learners.tokens import QUESTION_WORDS, STOP_WORDS, Token, tokenize

ONE_LABEL = re.compile(r"\[[^\][\s]+\]")
LABELS = re.compile(r"(?:\[[^\][\s]+\]\s*)+")
SHORTEST_LEARNED_WORD = 3
# A vote from behind the same word is worth more than one from elsewhere.
SAME_WORD_BEFORE = 2.0

Views = tuple[tuple[str, bool], tuple[str, bool, str]]


class Vote(NamedTuple):
    """A finding in the shots, and what became of it: a label, or KEEP."""

    views: Views
    label: str


@dataclass(frozen=True, slots=True)
class ShownLabels:
    """Votes of the shots by two views of a finding, and the labels of single words."""

    kinds: dict[tuple[str, bool], Counter[str]]
    places: dict[tuple[str, bool, str], Counter[str]]
    words: dict[str, str]

    def label(self, found: Found, text: str, *, prior: dict[str, float]) -> str | None:
        """Return the label with the most votes, `prior` being votes cast before any shot."""
        kind, place = views_of(found, text)
        votes = dict(prior)
        for weight, seen in (
            (1.0, self.kinds.get(kind)),
            (SAME_WORD_BEFORE, self.places.get(place)),
        ):
            for label, count in (seen or {}).items():
                votes[label] = votes.get(label, 0.0) + weight * count
        return max(votes, key=votes.__getitem__) if votes else None


def views_of(found: Found, text: str) -> Views:
    """Return the kind with whether it is one word, and the same with the word before it."""
    several = " " in text[found.start : found.end]
    before = text[: found.start].split()[-1:]
    return (found.kind, several), (found.kind, several, before[0].lower() if before else "")


@lru_cache(maxsize=64)
def read_labels(shots: tuple[tuple[str, str], ...]) -> ShownLabels:
    """Read the labels that shots show; cached, for many texts share their shots."""
    shown = ShownLabels({}, {}, {})
    kept: set[str] = set()
    for source, target in shots:
        tokens = tokenize(source)
        tags = edit_tags(tokens, tokenize(target))
        for (kind, place), label in _votes(source, tokens, tags):
            shown.kinds.setdefault(kind, Counter())[label] += 1
            shown.places.setdefault(place, Counter())[label] += 1
        kept |= {token.word for token, tag in zip(tokens, tags, strict=True) if tag == KEEP}
        shown.words.update(_masked_words(tokens, tags))
    for word in kept & shown.words.keys():
        del shown.words[word]
    return shown


def _votes(source: str, tokens: Sequence[Token], tags: Sequence[str]) -> list[Vote]:
    """Return a vote for each finding that became one thing, and that thing no larger than it."""
    votes = []
    for found in find_personal(source):
        inside = [
            tag
            for token, tag in zip(tokens, tags, strict=True)
            if found.start <= token.start < found.end
        ]
        label = inside[0] if len(set(inside)) == 1 else ""
        if label == KEEP or (label and _fits(label, words=len(inside))):
            votes.append(Vote(views_of(found, source), label))
    return votes


def _fits(label: str, *, words: int) -> bool:
    return bool(LABELS.fullmatch(label)) and len(ONE_LABEL.findall(label)) <= words


def _masked_words(tokens: Sequence[Token], tags: Sequence[str]) -> dict[str, str]:
    """Return words that became a label alone: a street's "Street" would mask every other one."""
    around = zip(["", *tags], tags, [*tags[1:], ""], strict=False)
    return {
        token.word: tag
        for token, (before, tag, after) in zip(tokens, around, strict=True)
        if tag not in (before, after) and ONE_LABEL.fullmatch(tag) and _is_name(token.word)
    }


def _is_name(word: str) -> bool:
    known = word.lower() in STOP_WORDS or word.lower() in QUESTION_WORDS
    return len(word) >= SHORTEST_LEARNED_WORD and word[0].isupper() and not known
