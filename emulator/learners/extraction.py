"""Base rule for JSON extraction: typed patterns per key, and left contexts that the shots show."""

import json
import re
from collections.abc import Sequence
from typing import Any

from emulator.learners.patterns import VALUES

Shots = Sequence[tuple[str, str]]

KEY = re.compile(r"\b[a-z]+(?:_[a-z]+)*\b")
NOT_KEYS = frozenset(("a", "an", "and", "as", "for", "key", "of", "or", "the", "to", "with"))


def extract_values(text: str, keys: Sequence[str], *, shots: Shots = ()) -> str:
    """Return a JSON object with one value, or null, per key.

    A key is matched by the value type its name holds (`date`, `arrival_time`). A key of no known
    type takes the word that follows where the shots' values stood; shots do nothing for the others.
    """
    values = {key: _first(text, _patterns(key, shots)) for key in keys}
    return json.dumps(values, ensure_ascii=False)


def named_keys(instruction: str) -> list[str]:
    """Return the keys an instruction names after the word "keys", in order."""
    _, _, named = instruction.partition("keys")
    names = (name for name in KEY.findall(named.split(".")[0]) if name not in NOT_KEYS)
    return list(dict.fromkeys(names))


def parse_json(text: str, default: Any = None) -> Any:
    """Return the value of a JSON text, or the default when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return default


def _patterns(key: str, shots: Shots) -> list[re.Pattern[str]]:
    kind = key if key in VALUES else next((kind for kind in VALUES if kind in key), None)
    return list(VALUES[kind]) if kind else _shown_patterns(key, shots)


def _shown_patterns(key: str, shots: Shots) -> list[re.Pattern[str]]:
    patterns = []
    for text, output in shots:
        shown = parse_json(output)
        value = shown.get(key) if isinstance(shown, dict) else None
        if isinstance(value, str) and value and value in text:
            left = text[: text.index(value)].split()[-1:]
            looks = r"\d[\w:]*" if value[0].isdigit() else r"\w+"
            patterns += [re.compile(rf"(?<={re.escape(word)} ){looks}") for word in left]
    return patterns


def _first(text: str, patterns: Sequence[re.Pattern[str]]) -> str | None:
    found = (match.group() for pattern in patterns if (match := pattern.search(text)))
    return next(found, None)
