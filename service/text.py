"""Text and JSON from outside, in a form that every store holds. Pure."""

import math
import re
from typing import Any

_REPLACEMENT = "\ufffd"
_SURROGATES = re.compile("[\ud800-\udfff]")


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return "1 row" or "2 rows"; `many` is `one` with an s where it is not given."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def shorten(text: str, characters: int) -> str:
    """Return a text of at most so many characters, with an ellipsis where it was cut."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def storable_text(text: str) -> str:
    """Return the text with U+FFFD for what a store refuses.

    PostgreSQL refuses NUL in text and in JSON; half a surrogate pair is no UTF-8, so Parquet,
    files and drivers refuse it.
    """
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATES.sub(_REPLACEMENT, text)
    return text


def storable_json(value: Any) -> Any:
    """Return a JSON value whose texts are storable; NaN and infinities, no JSON, become null."""
    match value:
        case str():
            return storable_text(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable_text(str(key)): storable_json(each) for key, each in value.items()}
        case list() | tuple():
            return [storable_json(each) for each in value]
        case _:
            return value
