"""The messages of a conversation: which members they may have, and the text of each. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

from service.datasets.drops import DropReason
from service.datasets.examples import Role, Turn
from service.datasets.formats.rows import JsonParser
from service.datasets.presets.preset import RowProblem

ROLES: Mapping[str, Role] = MappingProxyType(
    {"user": "user", "human": "user", "assistant": "model", "model": "model"}
)
SYSTEM_ROLES = frozenset({"system", "developer"})
_KNOWN_ROLES = frozenset({*ROLES, *SYSTEM_ROLES, "tool", "function"})
# What says that a turn is not to be learnt, beside OpenAI's `weight` of 0.
_TRAINED = ("train", "training", "trainable", "loss")
_MESSAGE = frozenset({"role", "content", "weight", *_TRAINED})
_CONTENT = frozenset({"role", "parts"})
_TYPED_PART = frozenset({"type", "text"})
_TEXT_TYPES = frozenset({"text", "input_text", "output_text"})
# Of OpenAI's and Anthropic's messages; of these only texts can be taught.
_PART_TYPES = frozenset(
    {"text", "input_text", "output_text", "image", "image_url", "input_image", "input_audio"}
    | {"audio", "file", "document", "tool_use", "tool_result", "thinking", "refusal"}
)
# A signature lets Gemini continue its own thoughts; it says nothing and is not taught.
_PART = frozenset({"text", "thought", "thoughtSignature", "thought_signature"})
_NO_TEXT = "leave the row out where it holds images, files, thoughts or calls"
_AS_PYTHON = re.compile(r"""\s*\[\s*\{\s*'""")
_MESSAGES_AS_PYTHON = re.compile(r"""\s*\[?\s*\{\s*'(?:role|content)'\s*:""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


class UnusableRowError(Exception):
    """Carries the reason why a row is refused or dropped out of nested functions."""

    def __init__(self, reason: RowProblem | DropReason) -> None:
        super().__init__()
        self.reason = reason


def refused(code: str, message: str) -> UnusableRowError:
    return UnusableRowError(RowProblem(code, message))


def parse_json(text: str) -> Any:
    """Return the JSON value of a text, None if it is not JSON. Refuses repeated members."""
    parser = JsonParser()
    try:
        value = parser.parse(text)
    except (ValueError, RecursionError):
        return None
    if parser.repeated:
        raise refused("duplicate_key", "an object names a member twice; keep the one that is meant")
    return value


def message_objects(text: str, column: str) -> list[dict[str, Any]]:
    value = parse_json(text)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    advice = "; it is as Python prints it: write it with `json.dumps`"
    as_python = advice if _AS_PYTHON.match(text) else ""
    message = f"`{column}` is not a JSON list of objects{as_python}"
    raise refused("invalid_messages", message)


def chat_of_messages(messages: Iterable[dict[str, Any]]) -> tuple[str, list[Turn]]:
    """Return the system text and the turns of messages with `role` and `content`.

    A conversation of which no answer has weight is dropped. One with weights of 0 and others is
    refused: a tuning file of Gemini has no weights.
    """
    system: list[str] = []
    turns: list[Turn] = []
    weights: set[bool] = set()
    for message in messages:
        refuse_unknown(message, _MESSAGE, "a message")
        role, text = message.get("role"), content_text(message.get("content"))
        if role in SYSTEM_ROLES:
            if turns:
                raise refused("role_order", "a system message follows a turn; put it first")
            system.append(text)
            continue
        turns.append(Turn(_role(role), text))
        if turns[-1].role == "model":
            weights.add(_has_weight(message))
    if weights == {False}:
        raise UnusableRowError(DropReason.ZERO_WEIGHT)
    if False in weights:
        advice = "a model's turn has `weight` 0, which Gemini cannot heed; leave the turn out"
        raise refused("unsupported_weight", advice)
    return _paragraphs(system), turns


def turns_of_contents(contents: Iterable[dict[str, Any]]) -> list[Turn]:
    """Return the turns of Gemini's contents, with `role` and `parts`."""
    turns = []
    for content in contents:
        refuse_unknown(content, _CONTENT, "a content")
        turns.append(Turn(_role(content.get("role", "user")), parts_text(content.get("parts"))))
    return turns


def system_text(given: str) -> str:
    """Return a system instruction: text, an object with parts, a list of texts or parts.

    Several are instructions of their own, and so are paragraphs.
    """
    match parse_json(given) if given else None:
        case [str(), *_] as texts if all(isinstance(each, str) for each in texts):
            return _paragraphs(texts)
        case {"type": "text"} as part:
            return content_text([part])
        case dict() as content:
            refuse_unknown(content, _CONTENT, "the system instruction")
            return _system_parts(content.get("parts") or [])
        case [_, *_] as parts if all(map(_is_typed, parts)):
            return _paragraphs(content_text([part]) for part in parts)
        case [_, *_] as parts:
            return _system_parts(parts)
        case _:
            return given.strip()


def _system_parts(parts: object) -> str:
    listed = parts if isinstance(parts, list) else [parts]
    return _paragraphs(parts_text([each]) for each in listed)


def _paragraphs(texts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, map(str.strip, texts)))


def content_text(content: object) -> str:
    """Return a message's text: as it is, or a list of parts whose `type` is that of a text."""
    match content:
        case str():
            return content.strip()
        case None | []:
            raise refused("empty_turn", "a message has no `content`; fill it or leave the row out")
        case list() if all(map(_is_text_part, content)):
            for part in content:
                refuse_unknown(part, _TYPED_PART, "a part")
            return _joined(content)
        case list() if all(map(_is_typed, content)):
            raise refused("unsupported_part", f"a part is no text; {_NO_TEXT}")
    message = 'a `content` is neither a text nor a list of {"type": "text", "text": ...}'
    raise refused("unsupported_part", f"{message}; write one of these")


def _is_text_part(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in _TEXT_TYPES


def _is_typed(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def text_or_parts(text: str) -> str:
    """Return a text, or the text of the typed parts, or of Gemini's content, it is the JSON of."""
    if not text.lstrip().startswith(("[", "{")):
        return text.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    match value:
        case [{"type": str()}, *_] if all(map(_is_part, value)):
            return content_text(parse_json(text))
        case {"parts": [_, *_] as parts}:
            parse_json(text)
            refuse_unknown(value, _CONTENT, "a content")
            return parts_text(parts)
        case _:
            return text.strip()


def _is_part(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") in _PART_TYPES


def parts_text(parts: object) -> str:
    """Return the text of Gemini's parts; thoughts are left out."""
    listed = [parts] if isinstance(parts, dict) else parts
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise refused("unsupported_part", '`parts` is not a list of {"text": ...}; write one')
    for part in listed:
        refuse_unknown(part, _PART, "a part")
        if not isinstance(part.get("thought") or False, bool):
            advice = "a part's `thought` is neither true nor false; write one of these"
            raise refused("unsupported_part", advice)
    return _joined([each for each in listed if not each.get("thought")])


def messages_in(text: str) -> list[dict[str, Any]] | None:
    """Return the messages that a text is the JSON of, None where it is any other text."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if _MESSAGES_AS_PYTHON.match(text):
            message = "messages stand as Python prints them; write them with `json.dumps`"
            raise refused("invalid_messages", message) from None
        return None
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(map(_is_message, listed)):
        return None
    return message_objects(text, "messages") if isinstance(value, list) else listed


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and "content" in value and value.get("role") in _KNOWN_ROLES


def _joined(parts: Iterable[Mapping[str, Any]]) -> str:
    texts = [each.get("text") for each in parts]
    if not all(isinstance(text, str) for text in texts):
        raise refused("unsupported_part", f"a part is no text; {_NO_TEXT}")
    return "".join(map(str, texts)).strip()


def _role(role: object) -> Role:
    if isinstance(role, str) and role in ROLES:
        return ROLES[role]
    known = ", ".join(sorted(chain(ROLES, SYSTEM_ROLES)))
    raise refused("unknown_role", f"a role is none of {known}; tools cannot be taught here")


def _has_weight(message: Mapping[str, Any]) -> bool:
    flags = [message[name] for name in _TRAINED if message.get(name) is not None]
    if any(not isinstance(flag, bool) for flag in flags):
        advice = f"a message's {', '.join(_TRAINED)} is neither true nor false; leave it out"
        raise refused("unsupported_weight", advice)
    if False in flags:
        return False
    weight = message.get("weight")
    if weight is not None and weight not in (0, 1):
        raise refused("unsupported_weight", "a `weight` is neither 0 nor 1; leave it out")
    return weight is None or bool(weight)


def refuse_unknown(value: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Refuse a row for a member that has a value and no place in a tuning file, by its name."""
    # 0 and false say something: a turn that is not to be learnt, by another name.
    unknown = [
        name for name, held in value.items() if name not in known and held not in (None, "", [], {})
    ]
    if not unknown:
        return
    name = f"`{unknown[0]}`" if _NAME.fullmatch(unknown[0]) else "a member of another name"
    message = f"{what} holds {name}, which cannot be taught; leave the member or the row out"
    raise refused("unsupported_member", message)
