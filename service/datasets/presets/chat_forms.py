"""Rows that are conversations already, in the forms in which they are kept. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import astuple
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from service.datasets.examples import Chat, Role, Turn, fold
from service.datasets.presets.preset import Converted, ConvertedExample, Preset, RowProblem

Fields = Mapping[str, str]


class RowForm(StrEnum):
    """`messages` are OpenAI's and Google's older ones, `contents` those of Gemini."""

    MESSAGES = "messages"
    CONTENTS = "contents"
    PROMPT_COMPLETION = "prompt_completion"
    TEXT_INPUT_OUTPUT = "text_input_output"
    AUTO = "auto"


COLUMNS: Mapping[RowForm, tuple[str, ...]] = MappingProxyType(
    {
        RowForm.MESSAGES: ("messages",),
        RowForm.CONTENTS: ("contents",),
        RowForm.PROMPT_COMPLETION: ("prompt", "completion"),
        RowForm.TEXT_INPUT_OUTPUT: ("text_input", "output"),
    }
)
SYSTEM_COLUMNS = ("systemInstruction", "system_instruction")
_ROLES: Mapping[str, Role] = MappingProxyType(
    {"user": "user", "human": "user", "assistant": "model", "model": "model"}
)
_SYSTEM_ROLES = frozenset({"system", "developer"})


class _UnusableError(Exception):
    """Carries a row's problem out of nested functions."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = RowProblem(code, message)


def chat_of(form: RowForm, fields: Fields) -> Chat | RowProblem:
    """Return the conversation of a row, or what is wrong with it and how to mend it.

    Codes: `unknown_form`, `invalid_messages`, `unknown_role`, `unsupported_part`, `empty_turn`,
    `role_order`, `last_turn_not_model`.
    """
    try:
        system, turns = _READERS[_form(form, fields)](fields)
        return Chat(system, _checked(turns))
    except _UnusableError as unusable:
        return unusable.problem


def _form(form: RowForm, fields: Fields) -> RowForm:
    if form is not RowForm.AUTO:
        return form
    for known, columns in COLUMNS.items():
        if all(fields.get(name) for name in columns):
            return known
    forms = "; ".join(" and ".join(columns) for columns in COLUMNS.values())
    raise _UnusableError("unknown_form", f"the row has none of the columns {forms}")


def _read_messages(fields: Fields) -> tuple[str, list[Turn]]:
    system: list[str] = []
    turns: list[Turn] = []
    for message in _objects(fields["messages"], "messages"):
        role, text = message.get("role"), _content(message.get("content"))
        if role in _SYSTEM_ROLES:
            if turns:
                raise _UnusableError("role_order", "a system message follows a turn; put it first")
            system.append(text)
        else:
            turns.append(Turn(_role(role), text))
    return "\n\n".join(filter(None, system)), turns


def _read_contents(fields: Fields) -> tuple[str, list[Turn]]:
    turns = [
        Turn(_role(content.get("role", "user")), _parts(content.get("parts")))
        for content in _objects(fields["contents"], "contents")
    ]
    given = next((fields[name] for name in SYSTEM_COLUMNS if fields.get(name)), "")
    return _system(given), turns


def _system(given: str) -> str:
    """Return a system instruction that is an object with parts, or plain text."""
    try:
        value = json.loads(given)
    except (ValueError, RecursionError):
        return given.strip()
    return _parts(value.get("parts")) if isinstance(value, dict) else given.strip()


def _read_prompt(fields: Fields) -> tuple[str, list[Turn]]:
    return _pair(fields, "prompt", "completion")


def _read_text_input(fields: Fields) -> tuple[str, list[Turn]]:
    return _pair(fields, "text_input", "output")


def _pair(fields: Fields, text: str, target: str) -> tuple[str, list[Turn]]:
    return "", [Turn("user", fields[text].strip()), Turn("model", fields[target].strip())]


_READERS: Mapping[RowForm, Callable[[Fields], tuple[str, list[Turn]]]] = MappingProxyType(
    {
        RowForm.MESSAGES: _read_messages,
        RowForm.CONTENTS: _read_contents,
        RowForm.PROMPT_COMPLETION: _read_prompt,
        RowForm.TEXT_INPUT_OUTPUT: _read_text_input,
    }
)


def _objects(text: str, column: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    raise _UnusableError("invalid_messages", f"`{column}` is not a JSON list of objects")


def _role(role: object) -> Role:
    if isinstance(role, str) and role in _ROLES:
        return _ROLES[role]
    known = ", ".join(sorted({*_ROLES, *_SYSTEM_ROLES}))
    raise _UnusableError("unknown_role", f"a role is none of {known}; tools cannot be taught here")


def _content(content: object) -> str:
    """Return a message's text: as it is, or a list of parts whose `type` is `text`."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list) and all(
        isinstance(each, dict) and each.get("type") == "text" for each in content
    ):
        return _parts(content)
    raise _UnusableError(
        "unsupported_part", "a message holds no text; leave out images, files, tools"
    )


def _parts(parts: object) -> str:
    listed = [parts] if isinstance(parts, dict) else parts
    if not isinstance(listed, list):
        raise _UnusableError("unsupported_part", "`parts` is not a list of texts")
    texts = [each.get("text") if isinstance(each, dict) else None for each in listed]
    if not all(isinstance(text, str) for text in texts):
        raise _UnusableError(
            "unsupported_part", "a part is no text; leave out images, files, calls"
        )
    return "".join(map(str, texts)).strip()


def _checked(turns: list[Turn]) -> tuple[Turn, ...]:
    if not turns or turns[-1].role != "model":
        raise _UnusableError("last_turn_not_model", "the last turn is not the model's; end with it")
    if turns[0].role != "user":
        raise _UnusableError("role_order", "the first turn is not the user's; begin with it")
    if any(first.role == second.role for first, second in pairwise(turns)):
        raise _UnusableError("role_order", "two turns of one role follow each other; join them")
    if not all(turn.text for turn in turns):
        raise _UnusableError("empty_turn", "a turn is empty; leave the row out or fill it")
    return tuple(turns)


def chat_preset(form: RowForm) -> Preset:
    """Return the preset of rows of a form; `auto` detects it row by row."""
    known = tuple(name for columns in COLUMNS.values() for name in columns)
    required = () if form is RowForm.AUTO else COLUMNS[form]
    optional = known if form is RowForm.AUTO else ()

    def convert(fields: Mapping[str, str]) -> Converted:
        chat = chat_of(form, fields)
        return _convert(chat) if isinstance(chat, Chat) else chat

    return Preset(
        name="generic",
        instruction="",
        columns=required,
        optional_columns=(*optional, *SYSTEM_COLUMNS),
        metrics=("exact_match", "sacrebleu"),
        convert=convert,
        near_groups=True,
        pointer="/spec/form",
    )


def _convert(chat: Chat) -> ConvertedExample:
    turns = json.dumps([chat.system, [astuple(turn) for turn in chat.turns[:-1]]])
    questions = [turn.text for turn in chat.turns[:-1]]
    return ConvertedExample(
        chat.text,
        chat.target,
        (chat.target,),
        fold("\n".join(questions)),
        (turns, chat.target),
        system=chat.system,
        history=chat.history,
    )
