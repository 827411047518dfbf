"""A fast parser for the requests that most clients send: plain text and plain numbers.

Google's JSON parser in Python costs more than the rest of a call. Fields known here by name and
exact type go straight into the same message; everything else, right or wrong, is left to Google's
parser, so this one decides nothing about what is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

_LARGEST_INT = 2**31 - 1
_LARGEST_FLOAT = 3.4e38


def fast_message(document: Mapping[str, Any], message_type: Any) -> Any | None:
    """Return the message the parser would return, or None for Google's parser to decide."""
    known = _read(document, _REQUEST)
    if known is None:
        return None
    try:
        return message_type(**known)
    except (TypeError, ValueError):  # a lone surrogate, for one
        return None


def _read(value: Any, fields: Mapping[str, tuple[str, Callable[[Any], Any]]]) -> Any | None:
    """Return an object's fields by their snake_case names; None for anything not in the table."""
    if type(value) is not dict or not value:
        return None
    known: dict[str, Any] = {}
    for key, item in value.items():
        if key not in fields:
            return None
        name, read = fields[key]
        read_item = read(item)
        if read_item is None or name in known:
            return None
        known[name] = read_item
    return known


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int and -_LARGEST_INT <= value <= _LARGEST_INT else None


def _number(value: Any) -> float | None:
    is_number = type(value) in {float, int}
    return value if is_number and -_LARGEST_FLOAT <= value <= _LARGEST_FLOAT else None


def _flag(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _list(read: Callable[[Any], Any]) -> Callable[[Any], list[Any] | None]:
    def read_list(value: Any) -> list[Any] | None:
        if type(value) is not list or not value:
            return None
        items = [read(item) for item in value]
        return None if None in items else items

    return read_list


def _object(fields: Mapping[str, Any]) -> Callable[[Any], Any]:
    both = {name: entry for camel, entry in fields.items() for name in (camel, entry[0])}
    return lambda value: _read(value, both)


_PART = _object({"text": ("text", _text)})
_CONTENT = _object({"role": ("role", _text), "parts": ("parts", _list(_PART))})
_THINKING = _object(
    {
        "thinkingBudget": ("thinking_budget", _whole),
        "includeThoughts": ("include_thoughts", _flag),
    }
)
_CONFIG = _object(
    {
        "temperature": ("temperature", _number),
        "topP": ("top_p", _number),
        "topK": ("top_k", _number),
        "candidateCount": ("candidate_count", _whole),
        "maxOutputTokens": ("max_output_tokens", _whole),
        "stopSequences": ("stop_sequences", _list(_text)),
        "seed": ("seed", _whole),
        "responseLogprobs": ("response_logprobs", _flag),
        "logprobs": ("logprobs", _whole),
        "responseMimeType": ("response_mime_type", _text),
        "thinkingConfig": ("thinking_config", _THINKING),
    }
)
_REQUEST = {
    "contents": ("contents", _list(_CONTENT)),
    "systemInstruction": ("system_instruction", _CONTENT),
    "system_instruction": ("system_instruction", _CONTENT),
    "generationConfig": ("generation_config", _CONFIG),
    "generation_config": ("generation_config", _CONFIG),
}
