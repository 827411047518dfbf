"""Parse the JSONL of a tuning: each row a conversation whose last turn is the target."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.prompts import Turn, prompt_of

_ROW_KEYS = frozenset(
    {"contents", "systemInstruction", "system_instruction", "tools", "toolConfig"}
)
_PAIR_KEYS = _ROW_KEYS | {"completions"}
_ROLES = ("user", "model")


class BadRowError(ValueError):
    """A row the service would not train on."""


@dataclass(frozen=True, slots=True)
class Example:
    """What the learner reads and is to answer; `contents` is the row's own, for the statistics.

    `rejected` is the answer that was not preferred; empty where there is no pair.
    """

    prompt: str
    target: str
    contents: list[dict[str, Any]]
    rejected: str = ""
    completions: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The valid rows of a file, and the numbers of the invalid ones counted from 1."""

    examples: list[Example]
    bad_rows: list[int]


def read_examples(lines: Iterable[bytes], *, pairs: bool | None = False) -> ParsedFile:
    """Read the rows of a file; empty lines do not count as rows.

    `pairs`: rows have two completions; None: each row is what it looks like.
    """
    examples: list[Example] = []
    bad_rows: list[int] = []
    for number, line in enumerate((line for line in lines if line.strip()), start=1):
        try:
            examples.append(_read_row(line, pairs=pairs))
        except (ValueError, RecursionError):  # BadRowError, broken JSON, broken UTF-8
            bad_rows.append(number)
    return ParsedFile(examples=examples, bad_rows=bad_rows)


def join_examples(files: Sequence[Sequence[Example]]) -> list[Example]:
    """Return the rows of all files, oldest first; a prompt in several keeps its newest rows."""
    joined: list[Example] = []
    later: set[str] = set()
    for examples in reversed(files):
        joined = [example for example in examples if example.prompt not in later] + joined
        later |= {example.prompt for example in examples}
    return joined


def count_rows(path: Path) -> int:
    """Return how many rows a file has, good ones and bad ones."""
    with path.open("rb") as lines:
        return sum(bool(line.strip()) for line in lines)


def _read_row(line: bytes, *, pairs: bool | None) -> Example:
    row = json.loads(line)
    is_pair = isinstance(row, dict) and "completions" in row if pairs is None else pairs
    if not isinstance(row, dict) or not row.keys() <= (_PAIR_KEYS if is_pair else _ROW_KEYS):
        raise BadRowError("a row is an object of contents and systemInstruction")
    contents = row.get("contents")
    if not isinstance(contents, list):
        raise BadRowError("contents is a list")
    chosen, rejected = _read_completions(row.get("completions")) if is_pair else (None, "")
    *turns, (_, target) = _read_turns([*contents, chosen] if chosen else contents)
    system = row.get("systemInstruction", row.get("system_instruction"))
    system_text = _read_text(system) if system is not None else ""
    prompt = prompt_of(turns, system_instruction=system_text)
    completions = tuple(row["completions"]) if is_pair else ()
    return Example(prompt, target, contents, rejected=rejected, completions=completions)


def _read_completions(completions: Any) -> tuple[dict[str, Any], str]:
    """Return the content of score 1 and the text of the one of score 0."""
    scored = {
        each.get("score"): each.get("completion")
        for each in (completions if isinstance(completions, list) else ())
        if isinstance(each, dict)
    }
    if len(scored) != len(completions or ()) or scored.keys() != {0, 1}:
        raise BadRowError("completions are two, one of score 1 and one of score 0")
    chosen: dict[str, Any] = scored[1] or {}
    rejected = scored[0]
    if any(_read_role(each) != "model" or not _read_text(each) for each in (chosen, rejected)):
        raise BadRowError("a completion is a turn of the model with text")
    return chosen, _read_text(rejected)


def _read_turns(contents: list[Any]) -> list[Turn]:
    """Return the turns of a conversation that alternates from user to a last word of the model."""
    turns = [(_read_role(content), _read_text(content)) for content in contents]
    expected = [_ROLES[index % 2] for index in range(len(turns))]
    if not turns or len(turns) % 2 or [role for role, _ in turns] != expected:
        raise BadRowError("roles alternate between user and model, and the model ends")
    if not turns[-1][1]:
        raise BadRowError("the target has text")
    return turns


def _read_role(content: Any) -> str:
    if not isinstance(content, dict):
        raise BadRowError("a content is an object")
    return str(content.get("role"))


def _read_text(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not parts:
        raise BadRowError("parts is a list with something in it")
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise BadRowError("the emulator learns from text parts only")
    return "".join(str(text) for text in texts)


def describe_bad_rows(bad_rows: list[int], *, total: int) -> str:
    """Name the wrong rows by their numbers; the text of a row is private."""
    shown_count = 20
    shown = ", ".join(map(str, bad_rows[:shown_count]))
    more = f" and {len(bad_rows) - shown_count} more" if len(bad_rows) > shown_count else ""
    return (
        f"Dataset validation failed: {len(bad_rows)} of {total} rows are invalid "
        f"(rows {shown}{more}). A row needs contents that alternate between user and model, "
        "every part a text, and the model's text last, or in two completions of score 1 and 0."
    )
