"""Tokens of a text, and small views of a word that several features share."""

import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple

# A placeholder such as [FIRSTNAME] is one token; so is an address, a number or a hyphenated word.
TOKEN = re.compile(r"(\s*)(\[[A-Z][A-Z0-9_]*\]|\w(?:[^\s\[\]<>\"“”]*[\w/])?|[^\w\s])")

QUESTION_WORDS = frozenset(("who", "whom", "whose", "what", "when", "where", "which", "why", "how"))
_STOP_WORDS = (
    "the a an of in on at to for by with from and or as is was were are be been has have had it its"
    " this that these those he she they his her their not but also into than then after before"
    " during between under over about such other more most did does do many much s"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
STEM_LENGTH = 5
SHAPE_LENGTH = 16


class Token(NamedTuple):
    """A word, the white space before it, and where the word starts in its text."""

    gap: str
    word: str
    start: int


def tokenize(text: str) -> list[Token]:
    """Split a text; gaps and words together give it back, trailing space aside."""
    return [Token(match[1], match[2], match.start(2)) for match in TOKEN.finditer(text)]


def words_of(text: str) -> list[str]:
    return [match[2] for match in TOKEN.finditer(text)]


def join_tokens(tokens: Sequence[Token]) -> str:
    return "".join(token.gap + token.word for token in tokens).strip()


def hash_text(text: str) -> int:
    """Return a 32-bit hash that is the same on every machine and in every process."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def shape_of(word: str) -> str:
    """Return the word's shape: `Xx+` for Paris, `d+-d+` for 12-345."""
    shape = re.sub(r"\d", "d", word)
    shape = re.sub(r"[^\W\d_]", lambda match: "X" if match[0].isupper() else "x", shape)
    return re.sub(r"(.)\1+", r"\1+", shape)[:SHAPE_LENGTH]


def stem(word: str) -> str:
    """Return the first letters in lower case: a crude stem that needs no word list."""
    return word.lower()[:STEM_LENGTH]


def normalise(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def find_words(words: Sequence[str], phrase: Sequence[str]) -> tuple[int, int] | None:
    """Return the first and last index of `phrase` within `words`, case aside, or None."""
    lower, target = [word.lower() for word in words], [word.lower() for word in phrase]
    size = len(target)
    if not size:
        return None
    starts = (at for at in range(len(lower) - size + 1) if lower[at : at + size] == target)
    return next(((at, at + size - 1) for at in starts), None)
