"""Kinds of personal data that patterns find, and texts with them masked.

Patterns see what has a form: addresses, numbers, links. They do not see names; so a sample shows
only words in small letters that many rows hold, which a person's own words and names are not.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# The more specific kinds come first: an IBAN would else be a number.
PATTERNS = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "url": r"(?:https?://|www\.)[^\s<>\"']+",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    "ipv6": r"\b(?:[0-9a-fA-F]{1,4}:){5,7}[0-9a-fA-F]{1,4}\b",
    "mac": r"\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b",
    "ipv4": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    "ssn": r"\b\d{3}-\d{2}-\d{4}\b",
    "wallet": r"\b(?:0x[0-9a-fA-F]{40}|(?:bc1|[13LM])[a-zA-HJ-NP-Z0-9]{25,39})\b",
    "date": r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})\b",
    "card": r"\b\d{4}(?:[ -]?\d{4}){2}[ -]?\d{1,7}\b",
    "phone": r"\+?\(?\d[\d ().-]{6,}\d",
}
_ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in PATTERNS.items()))
_DIGITS = re.compile(r"\d")
_LETTER = r"[^\W\d_]|[\u24b6-\u24e9\U0001f130-\U0001f189\U0001f1e6-\U0001f1ff]"  # circled ones too
# Vowel signs of many scripts are marks: without them a word would show half of itself.
_MARKS = "".join(
    chr(code) for code in range(0x300, 0xFE00) if unicodedata.category(chr(code)).startswith("M")
)
_WORD = re.compile(rf"(?:{_LETTER})(?:{_LETTER}|[{_MARKS}])*")
_LABEL = re.compile(r"\[[A-Z][A-Z0-9_]*\]")  # `[Maria]` is a name in brackets
SAMPLE_CHARACTERS = 300


@dataclass(slots=True)
class PersonalData:
    """How many of the scanned rows hold personal data of each kind."""

    rows: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def scan(self, examples: "pl.DataFrame") -> None:
        import polars as pl  # here: those that only mask texts do without

        self.rows += examples.height
        found = examples.select(
            pl.col("text").str.contains(pattern).sum().alias(kind)
            for kind, pattern in PATTERNS.items()
        )
        for kind, rows in found.row(0, named=True).items():
            if rows:
                self.kinds[kind] = self.kinds.get(kind, 0) + rows
        for column in ("text", "target"):
            labels = examples[column].str.extract_all(_LABEL.pattern).list.unique().explode()
            self.labels.update(dict(labels.drop_nulls().value_counts().rows()))
        words = (
            examples["text"]
            .str.extract_all(r"\p{L}[\p{L}\p{M}]*")
            .list.unique()
            .explode()
            .drop_nulls()
        )
        self.words.update(dict(words.value_counts().rows()))

    def common_words(self, *, known: Iterable[str] = ()) -> frozenset[str]:
        """Return the words in small letters, and the labels in brackets and capitals, that at
        least 5 rows and 1 in 100 hold, and the words of `known`.
        """
        least = max(5, self.rows / 100)
        words = {word for word, rows in self.words.items() if rows >= least and word.islower()}
        labels = {label for label, rows in self.labels.items() if rows >= least}
        return frozenset(words | labels | {word for text in known for word in _WORD.findall(text)})


def common_words(texts: Iterable[tuple[str, str]], *, known: Iterable[str] = ()) -> frozenset[str]:
    """Return the words that a mask may show of texts with their targets, and those of `known`."""
    import polars as pl

    rows = pl.DataFrame(list(texts), schema=["text", "target"], orient="row")
    found = PersonalData()
    found.scan(rows)
    return found.common_words(known=known)


def mask(text: str, *, common: frozenset[str]) -> str:
    """Return a text, cut to 300 characters, without what could be personal data.

    What patterns find becomes its kind in angle brackets, digits become 0, and words that are not
    common become `x`, in brackets too.
    """
    cut = text[:SAMPLE_CHARACTERS]
    parts = []
    end = 0
    for label in _LABEL.finditer(cut):
        shown = label[0] if label[0] in common else "[x]"
        parts += [_mask_plain(cut[end : label.start()], common), shown]
        end = label.end()
    parts.append(_mask_plain(cut[end:], common))
    return "".join(parts) + ("…" if len(text) > SAMPLE_CHARACTERS else "")


def _mask_plain(text: str, common: frozenset[str]) -> str:
    """Mask word by word between what the patterns find, so that kinds are not words."""
    found = _ANY.search(text)
    if found is None:
        words = _WORD.sub(lambda word: word[0] if word[0] in common else "x", text)
        return _DIGITS.sub("0", words)
    before, after = text[: found.start()], text[found.end() :]
    return f"{_mask_plain(before, common)}<{found.lastgroup}>{_mask_plain(after, common)}"
