"""Rows that hold a chosen and a rejected answer to one prompt, in the forms in which they are
kept. Pure.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType
from typing import Any, NamedTuple

from service.datasets.drops import DropReason
from service.datasets.examples import Chat, Turn, composed
from service.datasets.presets.chat_forms import (
    CACHE_COLUMNS,
    SYSTEM_COLUMNS,
    TOOL_COLUMNS,
    WEIGHT_COLUMN,
    checked_turns,
    converted_chat,
    heed_weight,
    outer_systems,
    refuse_untaught,
)
from service.datasets.presets.chat_messages import (
    UnusableRowError,
    chat_of_messages,
    message_objects,
    messages_in,
    parse_json,
    parts_text,
    refuse_unknown,
    refused,
    text_or_parts,
    turns_of_contents,
)
from service.datasets.presets.preset import Converted, Preset, RowProblem

Fields = Mapping[str, str]
# A row that has one of the last two is of that form.
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "contents": ("contents", "completions"),
        "openai": ("input", "preferred_output", "non_preferred_output"),
        "trl": ("prompt", "chosen", "rejected"),
    }
)
_PREFERENCE_INPUT = frozenset({"messages", "parallel_tool_calls"})
_COMPLETION = frozenset({"score", "completion"})
_SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "model"}


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A conversation that ends with the chosen answer, and the one rejected in its place."""

    chat: Chat
    rejected: str


class _Said(NamedTuple):
    """A prompt and two answers as read: whole conversations where `prompt` is empty."""

    prompt: list[Turn]
    chosen: list[Turn]
    rejected: list[Turn]
    systems: tuple[str, ...] = ()


def pair_of(fields: Fields) -> PreferencePair | RowProblem | DropReason:
    """Return the pair of a row, or what is wrong with it and how to mend it.

    Codes: those of `chat_of`, `prompt_differs`, `several_turns`, `unsupported_score`. Rows without
    a second answer, with equal ones, without a prompt, and whole conversations that share none are
    dropped.
    """
    try:
        refuse_untaught(fields)
        heed_weight(fields.get(WEIGHT_COLUMN, ""))
        return _pair(fields)
    except UnusableRowError as unusable:
        return unusable.reason


def _pair(fields: Fields) -> PreferencePair:
    said = _shared(_READERS[_form(fields)](fields))
    chosen, rejected = (_answer(turns) for turns in (said.chosen, said.rejected))
    if composed(chosen) == composed(rejected):
        raise UnusableRowError(DropReason.EQUAL_ANSWERS)
    if not any(turn.text for turn in said.prompt):
        raise UnusableRowError(DropReason.EMPTY_TEXT)
    turns = checked_turns([*said.prompt, Turn("model", chosen)])
    systems = dict.fromkeys(filter(None, (*outer_systems(fields), *said.systems)))
    return PreferencePair(Chat("\n\n".join(systems), turns), rejected)


def _form(fields: Fields) -> str:
    for form, columns in COLUMNS.items():
        if any(fields.get(name) for name in columns[-2:]):
            return form
    if any(fields.get(columns[0]) for columns in COLUMNS.values()):
        raise UnusableRowError(DropReason.ANSWER_MISSING)
    forms = "; ".join(", ".join(columns) for columns in COLUMNS.values())
    raise refused("unknown_form", f"the row has the columns of no form: {forms}")


def _read_trl(fields: Fields) -> _Said:
    """Read TRL's columns: texts, messages, or whole conversations, with a prompt or without."""
    texts = [fields.get(name, "") for name in ("chosen", "rejected")]
    if not all(map(str.strip, texts)):
        raise UnusableRowError(DropReason.ANSWER_MISSING)
    (first, chosen), (second, rejected) = (_spoken(text, "model") for text in texts)
    if first != second:
        raise UnusableRowError(DropReason.NO_SHARED_PROMPT)
    system, prompt = _spoken(fields.get("prompt", ""), "user")
    return _Said(prompt, chosen, rejected, (system, first))


def _read_openai(fields: Fields) -> _Said:
    given = parse_json(fields.get("input", ""))
    if not isinstance(given, dict) or not isinstance(given.get("messages"), list):
        raise refused("invalid_messages", "`input` is no JSON object with `messages`")
    refuse_unknown(given, _PREFERENCE_INPUT, "`input`")
    system, prompt = chat_of_messages(message_objects(json.dumps(given["messages"]), "messages"))
    answers = [fields.get(name, "") for name in COLUMNS["openai"][1:]]
    if not all(parse_json(text) for text in answers):
        raise UnusableRowError(DropReason.ANSWER_MISSING)
    chosen, rejected = (
        chat_of_messages(message_objects(text, name))[1]
        for text, name in zip(answers, COLUMNS["openai"][1:], strict=True)
    )
    return _Said(prompt, chosen, rejected, (system,))


def _read_contents(fields: Fields) -> _Said:
    """Read Vertex AI's own form: contents that end with the user, and two scored completions."""
    if not fields.get("completions"):
        raise UnusableRowError(DropReason.ANSWER_MISSING)
    prompt = turns_of_contents(message_objects(fields.get("contents", ""), "contents"))
    scored = message_objects(fields["completions"], "completions")
    if len(scored) < 2:  # noqa: PLR2004  a pair
        raise UnusableRowError(DropReason.ANSWER_MISSING)
    by_score = {_score(each): _completion(each) for each in scored}
    if len(scored) > 2 or by_score.keys() != {0, 1}:  # noqa: PLR2004
        message = "`completions` are not two, one of `score` 1 and one of 0; make them so"
        raise refused("unsupported_score", message)
    return _Said(prompt, by_score[1], by_score[0])


def _score(scored: Mapping[str, Any]) -> object:
    refuse_unknown(scored, _COMPLETION, "a completion")
    score = scored.get("score")
    return score if isinstance(score, int | float) else None


def _completion(scored: Mapping[str, Any]) -> list[Turn]:
    completion = scored.get("completion")
    if not isinstance(completion, dict):
        raise refused("invalid_messages", "a `completion` is no object with `role` and `parts`")
    refuse_unknown(completion, frozenset({"role", "parts"}), "a completion")
    return [Turn("model", parts_text(completion.get("parts")))]


_READERS: Mapping[str, Callable[[Fields], _Said]] = MappingProxyType(
    {"contents": _read_contents, "openai": _read_openai, "trl": _read_trl}
)


def _spoken(text: str, role: str) -> tuple[str, list[Turn]]:
    """Return the system text and turns of a text: messages, a dialogue of `Human:` and
    `Assistant:`, or one turn of a role. A turn of the model that only begins is left out of a
    prompt.
    """
    if not text.strip():
        return "", []
    if (messages := messages_in(text)) is not None:
        return chat_of_messages(messages)
    if not _SPEAKER.match(text):
        return "", [Turn("user" if role == "user" else "model", text_or_parts(text))]
    _, *pieces = _SPEAKER.split(text)
    speakers, texts = pieces[::2], pieces[1::2]
    turns = [
        Turn("user" if _ROLES[speaker] == "user" else "model", each.strip())
        for speaker, each in zip(speakers, texts, strict=True)
    ]
    if role == "user" and turns[-1] == Turn("model", ""):
        turns.pop()
    return "", turns


def _shared(said: _Said) -> _Said:
    """Return the prompt apart from the answers, where these are whole conversations."""
    if not any(turns and turns[0].role == "user" for turns in (said.chosen, said.rejected)):
        return said
    pairs = zip(said.chosen, said.rejected, strict=False)
    shared = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    if said.chosen == said.rejected:
        raise UnusableRowError(DropReason.EQUAL_ANSWERS)
    rests = [turns[len(shared) :] for turns in (said.chosen, said.rejected)]
    if not shared or shared[-1].role != "user" or max(map(len, rests)) > 1:
        raise UnusableRowError(DropReason.NO_SHARED_PROMPT)
    if any(turn not in shared for turn in said.prompt):
        message = "the `prompt` is not what the two conversations share; leave its column out"
        raise refused("prompt_differs", message)
    return said._replace(prompt=shared, chosen=rests[0], rejected=rests[1])


def _answer(turns: Sequence[Turn]) -> str:
    """Return the text of an answer, which is one turn of the model."""
    if not any(turn.text for turn in turns):
        raise UnusableRowError(DropReason.ANSWER_MISSING)
    if len(turns) > 1:
        raise refused("several_turns", "an answer has several turns; keep the model's first one")
    if turns[0].role != "model":
        raise refused("last_turn_not_model", "an answer is not the model's turn")
    return turns[0].text


def preference_preset() -> Preset:
    """Return the preset of rows with a chosen and a rejected answer; each row has its own form."""
    known = dict.fromkeys(name for columns in COLUMNS.values() for name in columns)

    def convert(fields: Mapping[str, str]) -> Converted:
        pair = pair_of(fields)
        if isinstance(pair, PreferencePair):
            return converted_chat(pair.chat, rejected=pair.rejected)
        return pair

    return Preset(
        name="generic",
        instruction="",
        columns=(),
        optional_columns=(*known, *SYSTEM_COLUMNS, *TOOL_COLUMNS, *CACHE_COLUMNS, WEIGHT_COLUMN),
        metrics=("chosen_over_rejected", "sacrebleu_by_script"),
        convert=convert,
        near_groups=True,
        pairs=True,
        pointer="/spec/form",
    )
