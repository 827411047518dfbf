"""A text that is sought: found whatever its case, Unicode form, white space or escapes. Pure."""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Needle:
    """What is sought, folded once; `length` bounds how far it reaches over the end of a piece."""

    def __init__(self, text: str) -> None:
        self._folded = _fold(text)
        # Each character may be written as two escapes of six, as HTML, or after more white space.
        self.length = 16 * len(text) + 64

    def is_in(self, text: str) -> bool:
        """Return whether it stands in a text, as it is or as JSON and HTML write it."""
        return any(self._folded in _fold(form) for form in _forms(text))

    def is_in_value(self, value: Any) -> bool:
        """Return whether it stands in a text of a JSON value, names of members included."""
        return any(map(self.is_in, _texts(value)))


def _fold(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        return " ".join(unicodedata.normalize("NFKC", text).split())
    return " ".join(text.lower().split())


def _forms(text: str) -> Iterator[str]:
    yield text
    if "\\" in text:
        yield _without_escapes(text)
    if "&" in text:
        yield html.unescape(text)


def _without_escapes(text: str) -> str:
    plain = _ESCAPE.sub(_character, text)
    # Two halves of a pair become the character that they stand for.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _ESCAPED.get(found[2], found[2])


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, each in value.items():
                yield str(name)
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)
        case None | bool():
            return
        case _:
            yield str(value)
