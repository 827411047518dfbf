"""How the prompts of a data set are laid out: instruction, labelled fields, source text.

Learned from the examples alone. What is the same in every prompt (an instruction, a list of labels)
says nothing about one example and is dropped; of what varies, the field that shares most words with
the outputs is the *source*, and the rest is the *query*.
"""

import os.path
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from emulator.learners.tokens import words_of

FIELD_LABEL = re.compile(r"^[ \t]*([A-Z][\w ]{0,24}):[ \t]*", re.MULTILINE)
PREAMBLE = ""
SHARE_OF_PROMPTS = 0.95
ROWS_LOOKED_AT = 300


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """One prompt as the learners see it."""

    source: str
    query: str

    @property
    def text(self) -> str:
        return f"{self.query}\n{self.source}" if self.query else self.source


@dataclass(frozen=True, slots=True)
class Layout:
    """The labels in order, which fields vary, which is the source, and the instruction."""

    labels: tuple[str, ...]
    varying: tuple[str, ...]
    source: str
    instruction: str

    def parse(self, prompt: str) -> ParsedPrompt:
        """Split a prompt into source and query; a prompt laid out otherwise is all source."""
        fields = split_fields(prompt, self.labels)
        if self.source not in fields:
            return ParsedPrompt(prompt.removeprefix(self.instruction).strip(), "")
        queries = (fields.get(name, "") for name in self.varying if name != self.source)
        source = fields[self.source].removeprefix(self.instruction)
        return ParsedPrompt(source.strip(), " ".join(filter(None, queries)))

    def without_shots(self, turns: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Return the last turn alone where every turn of the user is laid out like one prompt.

        The earlier ones are shots then, not what was said before.
        """
        asked = [text for role, text in turns if role == "user"]
        if self.source == PREAMBLE or len(asked) == 1:
            return turns
        laid_out = (self.source in split_fields(text, self.labels) for text in asked)
        return turns[-1:] if all(laid_out) else turns

    def pack(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def unpack(cls, meta: dict[str, Any]) -> Self:
        return cls(
            labels=tuple(meta["labels"]),
            varying=tuple(meta["varying"]),
            source=meta["source"],
            instruction=meta["instruction"],
        )


def learn_layout(prompts: Sequence[str], outputs: Sequence[str]) -> Layout:
    """Learn the layout from training prompts and their outputs."""
    labels = _shared_labels(prompts)
    fields = [split_fields(prompt, labels) for prompt in prompts[:ROWS_LOOKED_AT]]
    varying = _varying_fields(fields, labels)
    source = _source_field(fields, outputs, varying=varying)
    instruction = _instruction([row.get(source, "") for row in fields])
    return Layout(labels, varying, source, instruction)


def split_fields(prompt: str, labels: Sequence[str]) -> dict[str, str]:
    """Return the text under each label, read in the labels' order, and the preamble before them.

    Only the first line of its name opens a field, so a text may itself contain lines like `Name:`.
    """
    fields, name, begin, at = {}, PREAMBLE, 0, 0
    for label in labels:
        match = _find_label(prompt, label, after=at)
        if match:
            fields[name] = prompt[begin : match.start()].strip()
            name, begin, at = label, match.end(), match.end()
    fields[name] = prompt[begin:].strip()
    return fields


def _find_label(prompt: str, label: str, *, after: int) -> re.Match[str] | None:
    found = (match for match in FIELD_LABEL.finditer(prompt, after) if match[1] == label)
    return next(found, None)


def _shared_labels(prompts: Sequence[str]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for prompt in prompts:
        counts.update(list(dict.fromkeys(m[1] for m in FIELD_LABEL.finditer(prompt))))
    return tuple(name for name, seen in counts.items() if seen >= SHARE_OF_PROMPTS * len(prompts))


def _varying_fields(fields: Sequence[dict[str, str]], labels: Sequence[str]) -> tuple[str, ...]:
    names = (PREAMBLE, *labels)
    varying = tuple(name for name in names if len({row.get(name, "") for row in fields}) > 1)
    if varying:
        return varying
    # A single prompt (or one repeated) shows nothing of what varies: take its labelled fields.
    return tuple(name for name in labels if fields[0].get(name)) or (PREAMBLE,)


def _source_field(
    fields: Sequence[dict[str, str]], outputs: Sequence[str], *, varying: Sequence[str]
) -> str:
    overlap = dict.fromkeys(varying, 0.0)
    length = dict.fromkeys(varying, 0)
    for row, output in zip(fields, outputs, strict=False):
        target = set(words_of(output))
        for name in varying:
            text = row.get(name, "")
            overlap[name] += len(target & set(words_of(text))) / max(1, len(target))
            length[name] += len(text)
    return max(varying, key=lambda name: (round(overlap[name], 6), length[name]))


def _instruction(sources: Sequence[str]) -> str:
    """Return what all sources begin with, up to a line end or `: `, where instructions end."""
    if len(set(sources)) < 2:  # noqa: PLR2004  one text alone shows no common beginning
        return ""
    shared = os.path.commonprefix(list(sources))  # noqa: RUF071  texts, not paths
    line = shared.rfind("\n")
    if line >= 0:
        return shared[: line + 1]
    colon = shared.rfind(": ")
    return shared[: colon + 2] if colon >= 0 else ""
