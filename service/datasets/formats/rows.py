"""One row of a source, whatever it was written in."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.datasets.faults import RowFaults


@dataclass(frozen=True, slots=True)
class SourceRow:
    """`number` counts from 1; values that are no text are given as JSON."""

    number: int
    fields: Mapping[str, str]


# Reads plain UTF-8 bytes; raises Invalid with a fault for each of the first 20 bad rows.
Reader = Callable[[Iterable[bytes]], Iterator[SourceRow]]


def is_unicode(text: str) -> bool:
    """Return whether text is free of half characters, which JSON can spell and UTF-8 cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def refuse_half_characters(row: int, texts: Iterable[str], *, faults: RowFaults) -> bool:
    if all(is_unicode(text) for text in texts):
        return False
    faults.add(row, "invalid_unicode", "the row holds half of a surrogate pair")
    return True
