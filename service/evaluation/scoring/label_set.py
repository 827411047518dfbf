"""The labels of a task, and which of them an answer names, however it is dressed. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from service.evaluation.metrics.json_values import json_part, read_json
from service.evaluation.metrics.normal_forms import fold_label, normalise

_GAPS = re.compile(r"(?<=\w)[\s_-]+(?=\w)|\s{2,}")
# Brackets, a tag, LaTeX's box, a pair of Python's or of JSON with a comma too many.
_ENCLOSED = re.compile(
    r"\A(?:\{\s*(?P<quote>[\"']?)\w+(?P=quote)\s*:\s*(?P<mark>[\"'])(?P<pair>[^\"']+)(?P=mark)\s*,?\s*\}"
    r"|[\[({<](?P<bare>[^\[\](){}<>]+)[\])}>]|<(?P<name>\w+)>(?P<tag>[^<>]+)</(?P=name)>"
    r"|\$*\\boxed\{(?:\\text\{)?(?P<box>[^{}]+)\}{1,2}\$*)\Z"
)
_MARKDOWN = re.compile(r"\*\*|__|`|^[ \t]*(?:[>#*\u2022-]+|\d{1,2}[.)])[ \t]+", re.MULTILINE)
_SYMBOLS = re.compile("[\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
# A few words that end in a colon, or in `is`: `Label:`, `The sentiment of the text is`; or the
# name of what was asked for: `Option B`, a heading.
_LEAD = re.compile(
    r"\A(?:[^\n:\uff1a]{1,60}?(?:[:\uff1a=]|(?:\b(?:is|be|are|ist|est|es|\u00e9|\u00e8)\b|['\u2019]s)[:\s])"
    r"|(?:(?:the|my|final)\s+)*(?:answer|label|class|category|choice|option|sentiment|output)\s)\s*",
    re.IGNORECASE,
)
# What only explains may name other labels.
_REASON = re.compile(
    r"\A[\s.,;:(\u2013\u2014*_#-]*(?:explanation|reason|rationale|justification|because|since|confidence)",
    re.IGNORECASE,
)
_LEADS = 2  # `Sure: the label is`
_NEGATED = re.compile(r"\b(?:not|never|no|neither|nor|nicht|pas|kein\w*)\b|n't\b", re.IGNORECASE)
# What may stand between a label and its explanation.
_BREAK = re.compile(
    r"\s*\n|\s+[-\u2013\u2014]\s|\s*[(\uff08\u3001\uff0c\u3002\uff1b]|[.,;:!]\s|(?<=[)\]])\s+"
    r"|\s+(?=because\b|since\b)"
)
_BREAKS = 8  # of an answer that are looked at
_LONGEST = 2_000  # characters of an answer that names a label


class LabelSet:
    """Finds the label that an answer names; labels that are alike in a form are not found by it."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels

    def find(self, answer: str) -> str | None:
        """Return the label; None where the answer names none, several, or one among other words."""
        exact = self._exact.get(fold_label(answer))
        if exact is not None or len(answer) > _LONGEST:
            return exact
        return (
            self._spelled.get(_spelling(answer))
            or self._in_json(answer)
            or self._explained(answer)
            or self._explained(self._bare(answer))
            or self._concluded(answer)
        )

    def _bare(self, answer: str) -> str:
        """Return an answer without Markdown, and without emoji where no label has one."""
        bare = _MARKDOWN.sub("", answer)
        return bare if self._has_symbols else _SYMBOLS.sub("", bare)

    def _concluded(self, answer: str) -> str | None:
        """Return the label of the last line, where the lines before name no other."""
        before, _, last = answer.strip().rpartition("\n")
        label = self._explained(last) if before else None
        return label if label and self._is_alone(label, before) else None

    def _in_json(self, answer: str) -> str | None:
        texts = _texts_of(answer)
        named = {label for text in texts if (label := self._spelled.get(_spelling(text)))}
        return named.pop() if len(named) == 1 else None

    def _explained(self, answer: str) -> str | None:
        """Return a label with words before or after it in which no other label stands."""
        for lead, text in _without_leads(answer):
            for end in _ends(text):
                label = self._spelled.get(_spelling(text[:end]))
                if label:
                    rest = "" if _REASON.match(text[end:]) else text[end:]
                    return label if self._is_alone(label, f"{lead}\n{rest}") else None
        return None

    def _is_alone(self, label: str, rest: str) -> bool:
        return all(
            self._spelled.get(each) == label for each in self._named.findall(_spelling(rest))
        )

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {fold_label(label): label for label in self._labels}

    @cached_property
    def _spelled(self) -> dict[str, str]:
        spellings = {label: _spelling(label) for label in self._labels}
        counts = Counter(spellings.values())
        return {each: label for label, each in spellings.items() if counts[each] == 1}

    @cached_property
    def _has_symbols(self) -> bool:
        return any(map(_SYMBOLS.search, self._labels))

    @cached_property
    def _named(self) -> re.Pattern[str]:
        longest_first = sorted(map(_spelling, self._labels), key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def _spelling(text: str) -> str:
    """Return the normal form, without brackets, in which spaces, hyphens and `_` are alike."""
    bare = normalise(text)
    found = _ENCLOSED.match(bare)
    if found:
        bare = normalise(found["bare"] or found["tag"] or found["box"] or found["pair"])
    elif "(" not in bare:  # `A)`
        bare = bare.removesuffix(")")
    return _GAPS.sub(" ", bare)


def _texts_of(answer: str) -> list[str]:
    """Return the texts of a JSON answer: of its object or list, or of the one inside it."""
    try:
        value: Any = read_json(json_part(answer))
    except ValueError:
        return []
    while isinstance(value, dict | list) and len(value) == 1:
        [value] = value.values() if isinstance(value, dict) else value
    members = value.values() if isinstance(value, dict) else [value]
    return [each for each in members if isinstance(each, str)]


def _without_leads(answer: str) -> Iterator[tuple[str, str]]:
    """Yield nothing and the answer, then each lead with what follows it."""
    lead, rest = "", answer.strip()
    yield lead, rest
    for _ in range(_LEADS):
        found = _LEAD.match(rest)
        if found is None or _NEGATED.search(found[0]):
            return
        lead, rest = lead + found[0], rest[found.end() :]
        yield lead, rest


def _ends(text: str) -> list[int]:
    """Return where the label may end, the furthest first."""
    breaks = [found.start() for found in _BREAK.finditer(text)][:_BREAKS]
    return [len(text), *reversed(breaks)]
