"""What can be wrong with a row: how to plant it, and the code by which it must be found."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]
Change = Callable[[Record], Record]
Spoil = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """`change` alters what a row says, `spoil` the bytes that say it."""

    code: str
    change: Change = dict
    spoil: Spoil = bytes


def _set(**values: Any) -> Change:
    return lambda record: record | values


def _without(name: str) -> Change:
    return lambda record: {key: value for key, value in record.items() if key != name}


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def _turns(*roles: str, text: str = "said") -> str:
    return json.dumps([{"role": role, "content": text} for role in roles])


def _contents(*parts: Any) -> str:
    roles = ("user", "model")
    listed = [{"role": roles[at % 2], "parts": each} for at, each in enumerate(parts)]
    return json.dumps(listed)


JSON_LINES = {
    "cut-off object": Kind("invalid_json_row", spoil=lambda line: line[:-1]),
    "two objects": Kind("invalid_json_row", spoil=lambda line: line + line),
    "a list": Kind("invalid_json_row", spoil=lambda line: b"[" + line + b"]"),
    "a bare word": Kind("invalid_json_row", spoil=lambda _: b"text, label"),
    "single quotes": Kind("invalid_json_row", spoil=lambda line: line.replace(b'"', b"'")),
    "trailing comma": Kind("invalid_json_row", spoil=lambda line: line[:-1] + b",}"),
    "control character": Kind(
        "invalid_json_row", spoil=lambda line: line.replace(b'": "', b'": "\x01')
    ),
    "truncated UTF-8": Kind("wrong_encoding", spoil=lambda line: line[:-2] + b'\xc3"}'),
    "Latin-1 byte": Kind("wrong_encoding", spoil=lambda line: line.replace(b'": "', b'": "\xe9')),
    "half a surrogate": Kind("invalid_unicode", spoil=lambda line: line[:-2] + b'\\ud83d"}'),
    "not a number": Kind("invalid_number", _set(extra=math.nan)),
    "infinity": Kind("invalid_number", _set(extra=[math.inf])),
    "member named twice": Kind(
        "duplicate_key", spoil=lambda line: line[:-1] + b',"a":"x","a":"y"}'
    ),
    "deep nesting": Kind("too_deep", _set(extra=_deep(90))),
    "line too long": Kind("line_too_long", spoil=lambda line: line + b" " * 1_100_000),
}
RECORDS = {
    "too few cells": Kind(
        "ragged_row", spoil=lambda line: line.replace(b"\t", b" ").replace(b",", b" ")
    ),
    "too many cells": Kind("ragged_row", spoil=lambda line: line + b"\t,\t,"),
    "stray quote": Kind("invalid_csv_row", spoil=lambda line: b'"x"y' + line),
    "damaged byte": Kind("wrong_encoding", spoil=lambda line: b"\xff" + line),
}
ELEMENTS = {
    "a text in the list": Kind("invalid_json_row", spoil=lambda _: b'"text"'),
    "a list in the list": Kind("invalid_json_row", spoil=lambda line: b"[" + line + b"]"),
    "null in the list": Kind("invalid_json_row", spoil=lambda _: b"null"),
    "not a number in the list": Kind("invalid_number", _set(extra=math.nan)),
    "an element that is not JSON": Kind(
        "invalid_json_row", spoil=lambda line: line.replace(b'": "', b"': \"", 1)
    ),
    "half a surrogate in the list": Kind("invalid_unicode", _set(extra="\ud83d")),
}


def cells(text: str, target: str) -> Mapping[str, Kind]:
    """Return what may be wrong with the text and the target of any task."""
    return {
        f"no {target}": Kind("row_without_target", _set(**{target: "  "})),
        f"NUL in {text}": Kind("nul_character", _set(**{text: "a\0b"})),
    }


FREE_TEXT = {
    "no source_text": Kind("row_without_text", _set(source_text="")),
    "invisible target": Kind("blank_target", _set(target_text="\u200b\u2060")),
    "invisible text": Kind("row_without_target", _set(source_text="x", target_text="\n")),
}
LABELS = {"unknown label": Kind("unknown_label", _set(label="no such label"))}
SENTIMENTS = {"unknown sentiment": Kind("unknown_label", _set(sentiment="5 stars"))}
TARGETS = {
    "target is no JSON": Kind("target_not_json", _set(target="{'n': 1}")),
    "target is cut off": Kind("target_not_json", _set(target='{"n": 1')),
    "target of another type": Kind("target_not_as_schema", _set(target='{"n": "one"}')),
    "target lacks a member": Kind("target_not_as_schema", _set(target="{}")),
    "target has more members": Kind("target_not_as_schema", _set(target='{"n": 1, "m": 2}')),
    "text beyond the model": Kind("tokens_over_limit", _set(text="word " * 170_000)),
}
REVIEWS = {
    "no shop": Kind("missing_column", _without("shop")),
    "stars not a number": Kind("invalid_number", _set(stars=math.nan)),
}
MEMBERS = {"member missing": Kind("missing_column", _without("text"))}
ANSWERS = {
    "answers of another member": Kind("invalid_answers", _set(answers='{"answer": ["boat"]}')),
    "answers as R writes them": Kind("invalid_answers", _set(answers='c("boat", "old boat")')),
    "answers named twice": Kind("duplicate_key", _set(answers='{"text": ["a"], "text": ["b"]}')),
    "NUL in context": Kind("nul_character", _set(context="a\0 boat")),
}
PROMPTS = {
    "no completion": Kind("missing_column", _without("completion")),
    "tools beside a prompt": Kind("unsupported_member", _set(tools=[{"name": "look"}])),
    "a weight between": Kind("unsupported_weight", _set(weight=0.4)),
    "a tool's turn as completion": Kind(
        "unknown_role", _set(completion=[{"role": "tool", "content": "5"}])
    ),
    "an image in the prompt": Kind(
        "unsupported_part", _set(prompt=[{"type": "image_url", "image_url": "x"}])
    ),
    "an empty completion": Kind("empty_turn", _set(completion=" ")),
}
MESSAGES = {
    "no model's turn": Kind("last_turn_not_model", _set(messages=_turns("user"))),
    "ends with the user": Kind(
        "last_turn_not_model", _set(messages=_turns("user", "model", "user"))
    ),
    "begins with the model": Kind("role_order", _set(messages=_turns("model", "user", "model"))),
    "two turns of one role": Kind("role_order", _set(messages=_turns("user", "user", "model"))),
    "system in the middle": Kind("role_order", _set(messages=_turns("user", "system", "model"))),
    "a tool's turn": Kind("unknown_role", _set(messages=_turns("user", "tool", "model"))),
    "an empty turn": Kind("empty_turn", _set(messages=_turns("user", "model", text=" "))),
    "messages no list": Kind("invalid_messages", _set(messages="{}")),
    "an image": Kind(
        "unsupported_part", _set(messages='[{"role":"user","content":[{"type":"i"}]}]')
    ),
}
CONTENTS = {
    "a file": Kind(
        "unsupported_part", _set(contents=_contents([{"fileData": {}}], [{"text": "x"}]))
    ),
    "parts no list": Kind("unsupported_part", _set(contents=_contents("x", [{"text": "x"}]))),
    "empty parts": Kind("empty_turn", _set(contents=_contents([], [{"text": "x"}]))),
    "one turn": Kind("last_turn_not_model", _set(contents=_contents([{"text": "x"}]))),
}
