"""What an instruction says to the base model: labels, keys, a schema, and hints that help it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

CLASSIFYING = re.compile(
    r"\b(?:classif|categori[sz]e|which (?:label|category|class|intent))", re.IGNORECASE
)
LISTED = re.compile(
    r"\b(?:labels|categories|classes|intents|options)\b[^:\n]{0,40}:[ \t]*(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
BULLETS = re.compile(
    r"\b(?:labels|categories|classes|intents|options)\b[^:\n]{0,40}:[ \t]*\n((?:[-*•][ \t].*\n?)+)",
    re.IGNORECASE,
)
OPTIONS = re.compile(
    r"\b(?:as|into|one of|labels|categories|classes)(?: one of| either)?:?\s+([^.\n:]+)",
    re.IGNORECASE,
)
KEY = re.compile(r"\b[a-z]+(?:_[a-z]+)*\b")
NOT_KEYS = frozenset(("a", "an", "and", "as", "for", "key", "of", "or", "the", "to", "with"))
NULLS = re.compile(r"\bnull\b")
# "Texts that mention a fee or a charge are billing."
MENTION = re.compile(
    r"\b(?:mention|contain|say|name|ask about|speak of|talk about|are about)(?:s|ing)?\s+"
    r"(.+?)\s+(?:are|is|means?|belongs? to|get|answer(?:ed)?|->|→)(?: labelled| called| as)?:?\s+"
    r"[\"'`]?([^\n.;\"'`]+)",
    re.IGNORECASE,
)
DESCRIBED = re.compile(
    r"^[ \t]*[-*•]?[ \t]*[\"'`]?([^:\n\"'`=]{1,80}?)[\"'`]?[ \t]*[:=] (.+)$", re.MULTILINE
)
UNSURE = re.compile(
    r"\b(?:if|when)? ?(?:unsure|in doubt|nothing fits|otherwise)\b,?(?: answer| use| say| return)?"
    r"\s+[\"'`]?([^\n.;\"'`]+)",
    re.IGNORECASE,
)
# "The reference stands after the word ref": what follows is the value of the key.
FOLLOWS = re.compile(
    r"\b([a-z]+(?:_[a-z]+)*)[\"'`]? (?:(?:is|are|stands|comes) )?(?:after|follows|behind)"
    r"(?: the words?)? [\"'`]?([^\n.;,\"'`]+)",
)


@dataclass(frozen=True, slots=True)
class LabelHints:
    """Words that speak for a label, and the label that is meant where nothing speaks for any."""

    words: Mapping[str, str]
    default: str = ""


NO_HINTS = LabelHints({})


def without_lists(instruction: str) -> str:
    """Return the instruction but for its lists of labels, whose names say nothing of the task."""
    return LISTED.sub("", BULLETS.sub("", instruction))


@lru_cache(maxsize=256)  # the same for all rows of a task
def named_options(instruction: str) -> list[str]:
    """Return the labels that an instruction offers.

    They are a list to the end of its line (`labels: a, b, c`), one a line, or words of a sentence
    (`as positive, negative or neutral`).
    """
    for options in (_bulleted(instruction), _listed(instruction), _in_words(instruction)):
        if len(options) > 1:
            return options
    return []


def _bulleted(instruction: str) -> list[str]:
    found = BULLETS.search(instruction)
    lines = found[1].splitlines() if found else []
    return _distinct(line.lstrip("-*• \t").partition(": ")[0] for line in lines)


def _listed(instruction: str) -> list[str]:
    found = LISTED.search(instruction)
    if found is None:
        return []
    *first, last = re.split(r",|;", found[1].rstrip(" ."))
    # "a, b or c": a label may hold the word itself, so only the last part is taken apart.
    ends = re.split(r"^\s*(?:or|and)\s+|\s+or\s+", last)
    return _distinct([*first, *ends])


def _in_words(instruction: str) -> list[str]:
    for match in OPTIONS.finditer(instruction):
        options = _distinct(re.split(r",|\bor\b|\band\b", match[1]))
        if len(options) > 1:
            return options
    return []


def _distinct(names: Iterable[str]) -> list[str]:
    bare = (name.strip(" \t\"'`") for name in names)
    return list(dict.fromkeys(filter(None, bare)))


@lru_cache(maxsize=256)
def label_hints(instruction: str, options: tuple[str, ...]) -> LabelHints:
    """Return what an instruction says of its labels: descriptions, mentions, and the default."""
    known = {option.casefold(): option for option in options}
    words: dict[str, str] = {}
    described = [
        *((match[1], match[2]) for match in DESCRIBED.finditer(instruction)),
        *((match[2], match[1]) for match in MENTION.finditer(instruction)),
    ]
    for name, description in described:
        label = known.get(name.strip(" \t-*•").casefold())
        if label:
            words[label] = f"{words.get(label, '')} {description}"
    unsure = UNSURE.search(instruction)
    return LabelHints(words, known.get(unsure[1].strip().casefold(), "") if unsure else "")


def named_keys(instruction: str) -> list[str]:
    """Return the keys an instruction names after the word "keys", in order."""
    _, _, named = instruction.partition("keys")
    names = (name for name in KEY.findall(named.split(".")[0]) if name not in NOT_KEYS)
    return list(dict.fromkeys(names))


def shown_schema(instruction: str) -> dict[str, Any] | None:
    """Return the JSON Schema that an instruction shows after `Schema:`; None without one."""
    _, mark, after = instruction.partition("chema:")
    start = after.find("{") if mark else -1
    if start < 0:
        return None
    try:
        schema, _ = json.JSONDecoder().raw_decode(after[start:])
    except (ValueError, RecursionError):
        return None
    return schema if isinstance(schema, dict) else None


def key_hints(instruction: str) -> dict[str, str]:
    """Return the words that an instruction says a key's value follows."""
    return {match[1]: match[2].strip() for match in FOLLOWS.finditer(instruction)}


def wants_nulls(instruction: str) -> bool:
    """Return whether keys without a value are to be null; else they are left out."""
    return bool(NULLS.search(re.sub(r"\{.*\}", "", instruction)))
