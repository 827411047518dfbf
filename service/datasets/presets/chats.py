"""Any task whose rows are conversations already."""

import json
from collections.abc import Mapping
from dataclasses import astuple

from service.datasets.chats import Chat
from service.datasets.presets.chat_forms import COLUMNS, SYSTEM_COLUMNS, RowForm, chat_of
from service.datasets.presets.preset import Converted, Draft, Preset
from service.datasets.wording import fold


def chat_preset(form: RowForm) -> Preset:
    """Return the preset of rows of a form; `auto` looks at each row."""
    known = tuple(name for columns in COLUMNS.values() for name in columns)
    required = () if form is RowForm.AUTO else COLUMNS[form]
    optional = known if form is RowForm.AUTO else ()

    def convert(fields: Mapping[str, str]) -> Converted:
        chat = chat_of(form, fields)
        return _draft(chat) if isinstance(chat, Chat) else chat

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


def _draft(chat: Chat) -> Draft:
    turns = json.dumps([chat.system, [astuple(turn) for turn in chat.turns[:-1]]])
    asked = [turn.text for turn in chat.turns[:-1]]
    return Draft(
        chat.text,
        chat.target,
        (chat.target,),
        fold("\n".join(asked)),
        (turns, chat.target),
        system=chat.system,
        history=chat.history,
    )
