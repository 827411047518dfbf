"""Rows that are conversations already, in the forms in which they are kept. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import astuple
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from service.datasets.drops import DropReason
from service.datasets.examples import Chat, Turn, fold
from service.datasets.presets.chat_messages import (
    UnusableRowError,
    chat_of_messages,
    message_objects,
    messages_in,
    refused,
    system_text,
    text_or_parts,
    turns_of_contents,
)
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem

Fields = Mapping[str, str]


class RowForm(StrEnum):
    """`messages` are OpenAI's and Google's older ones, `contents` those of Gemini; rows of
    `preference` hold a chosen and a rejected answer.
    """

    MESSAGES = "messages"
    CONTENTS = "contents"
    PROMPT_COMPLETION = "prompt_completion"
    TEXT_INPUT_OUTPUT = "text_input_output"
    AUTO = "auto"
    PREFERENCE = "preference"


COLUMNS: Mapping[RowForm, tuple[str, ...]] = MappingProxyType(
    {
        RowForm.MESSAGES: ("messages",),
        RowForm.CONTENTS: ("contents",),
        RowForm.PROMPT_COMPLETION: ("prompt", "completion"),
        RowForm.TEXT_INPUT_OUTPUT: ("text_input", "output"),
    }
)
SYSTEM_COLUMNS = ("systemInstruction", "system_instruction", "system")
TOOL_COLUMNS = ("tools", "functions", "toolConfig", "tool_config")
CACHE_COLUMNS = ("cachedContent", "cached_content")
WEIGHT_COLUMN, WANTED_COLUMN = "weight", "label"


_NO_VALUE = frozenset({"", "null", "None", "[]", "{}", "false"})
_HEEDED = (*TOOL_COLUMNS, *CACHE_COLUMNS, WEIGHT_COLUMN, WANTED_COLUMN)


def chat_of(form: RowForm, fields: Fields) -> Chat | RowProblem | DropReason:
    """Return the conversation of a row, or what is wrong with it and how to mend it.

    Codes: `unknown_form`, `several_forms`, `unwanted_answer`, `invalid_messages`, `unknown_role`,
    `unsupported_part`, `unsupported_member`, `unsupported_weight`, `duplicate_key`, `empty_turn`,
    `role_order`, `last_turn_not_model`.
    """
    try:
        refuse_untaught(fields)
        heed_weight(fields.get(WEIGHT_COLUMN, ""))
        _refuse_unwanted(fields.get(WANTED_COLUMN, ""))
        system, turns = _READERS[_form(form, fields)](fields)
        systems = dict.fromkeys(filter(None, (*outer_systems(fields), system)))
        return Chat("\n\n".join(systems), checked_turns(turns))
    except UnusableRowError as unusable:
        return unusable.reason


def outer_systems(fields: Fields) -> list[str]:
    """Return what the system says in columns of its own."""
    return [system_text(fields[name]) for name in SYSTEM_COLUMNS if fields.get(name)]


def refuse_untaught(fields: Fields) -> None:
    for name in (*TOOL_COLUMNS, *CACHE_COLUMNS):
        if fields.get(name, "").strip() not in _NO_VALUE:
            message = f"the row holds `{name}`, which cannot be taught; leave it or the row out"
            raise refused("unsupported_member", message)


def heed_weight(given: str) -> None:
    """Drop a row of weight 0; refuse one of another weight than 1, which Gemini cannot heed."""
    weight = given.strip()
    if weight in {"0", "0.0", "false"}:
        raise UnusableRowError(DropReason.ZERO_WEIGHT)
    if weight not in {"", "1", "1.0", "true"}:
        advice = "the row's `weight` is neither 0 nor 1; leave the column out"
        raise refused("unsupported_weight", advice)


def _refuse_unwanted(label: str) -> None:
    """Refuse an answer that is marked as a bad one, as half of those in TRL's unpaired data are."""
    if label.strip().lower() == "false":
        message = "the row's `label` is false: its answer is not wanted; leave it or the column out"
        raise refused("unwanted_answer", message)


def _form(form: RowForm, fields: Fields) -> RowForm:
    if form is not RowForm.AUTO:
        return form
    found = [
        known for known, columns in COLUMNS.items() if all(fields.get(name) for name in columns)
    ]
    if len(found) == 1:
        return found[0]
    forms = "; ".join(" and ".join(columns) for columns in COLUMNS.values())
    if found:
        known_forms = " and ".join(found)
        raise refused("several_forms", f"the row has {known_forms}: say which as `form`")
    advice = "name yours in `columns`, or make texts of others by a `template`"
    raise refused("unknown_form", f"the row has none of the columns {forms}; {advice}")


def _read_messages(fields: Fields) -> tuple[str, list[Turn]]:
    return chat_of_messages(message_objects(fields["messages"], "messages"))


def _read_contents(fields: Fields) -> tuple[str, list[Turn]]:
    return "", turns_of_contents(message_objects(fields["contents"], "contents"))


def _read_prompt(fields: Fields) -> tuple[str, list[Turn]]:
    return _pair(fields["prompt"], fields["completion"])


def _read_text_input(fields: Fields) -> tuple[str, list[Turn]]:
    return _pair(fields["text_input"], fields["output"])


def _pair(prompt: str, completion: str) -> tuple[str, list[Turn]]:
    """Return the chat of two texts, each of which may be messages (as in TRL) or their parts."""
    asked, answered = messages_in(prompt), messages_in(completion)
    if asked is None and answered is None:
        return "", [Turn("user", text_or_parts(prompt)), Turn("model", text_or_parts(completion))]
    first = asked or [{"role": "user", "content": text_or_parts(prompt)}]
    last = answered or [{"role": "model", "content": text_or_parts(completion)}]
    return chat_of_messages([*first, *last])


_READERS: Mapping[RowForm, Callable[[Fields], tuple[str, list[Turn]]]] = MappingProxyType(
    {
        RowForm.MESSAGES: _read_messages,
        RowForm.CONTENTS: _read_contents,
        RowForm.PROMPT_COMPLETION: _read_prompt,
        RowForm.TEXT_INPUT_OUTPUT: _read_text_input,
    }
)


def checked_turns(turns: list[Turn]) -> tuple[Turn, ...]:
    """Return the turns of a conversation in order; refuse any other."""
    if not turns or turns[-1].role != "model":
        raise refused("last_turn_not_model", "the last turn is not the model's; end with it")
    if turns[0].role != "user":
        raise refused("role_order", "the first turn is not the user's; begin with it")
    if any(first.role == second.role for first, second in pairwise(turns)):
        raise refused("role_order", "two turns of one role follow each other; join them")
    if not all(turn.text for turn in turns):
        raise refused("empty_turn", "a turn is empty; leave the row out or fill it")
    return tuple(turns)


def chat_preset(form: RowForm) -> Preset:
    """Return the preset of rows of a form; `auto` detects it row by row."""
    known = tuple(name for columns in COLUMNS.values() for name in columns)
    required = () if form is RowForm.AUTO else COLUMNS[form]
    optional = known if form is RowForm.AUTO else ()

    def convert(fields: Mapping[str, str]) -> Converted:
        chat = chat_of(form, fields)
        return converted_chat(chat) if isinstance(chat, Chat) else chat

    return Preset(
        name="generic",
        instruction="",
        columns=required,
        optional_columns=(*optional, *SYSTEM_COLUMNS, *_HEEDED),
        metrics=("exact_match", "sacrebleu_by_script"),
        convert=convert,
        near_groups=True,
        pointer="/spec/form",
    )


def converted_chat(chat: Chat, *, rejected: str = "") -> ConvertedExample:
    """Return a conversation as an example; `rejected` is the answer that its last was preferred to.

    Its identity is all that was said, and both answers where there are two.
    """
    said = [chat.system, [astuple(turn) for turn in chat.turns[:-1]]]
    turns = json.dumps(said, ensure_ascii=False)
    answers = json.dumps([chat.target, rejected], ensure_ascii=False) if rejected else chat.target
    questions = [turn.text for turn in chat.turns[:-1]]
    return ConvertedExample(
        chat.text,
        chat.target,
        (chat.target,),
        fold("\n".join(questions)),
        (turns, answers),
        system=chat.system,
        history=chat.history,
        rejected=rejected,
    )
