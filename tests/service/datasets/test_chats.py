"""Conversations: the same from every form, and written so that the service's types read them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.cloud.aiplatform_v1.types import Content as ProtoContent
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.examples import Chat, Example
from service.datasets.presets.chat_forms import RowForm, chat_of
from service.datasets.presets.options import Template
from service.datasets.presets.preset import ConvertedExample, RowProblem
from service.datasets.presets.registry import choose_preset
from service.datasets.publishing.export_forms import WRITERS, training_lines
from service.errors import Invalid
from tests.service.datasets.random_chats import example_of, forms_of, random_chats, written

ROOT = Path(__file__).parents[3]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_five_thousand_chats_are_read_by_the_services_own_types(seed: int) -> None:
    from google.genai.types import Content

    chats = random_chats(seed, 100)

    lines = list(training_lines("", map(example_of, chats)))

    for chat, line in zip(chats, lines, strict=True):
        record = json.loads(line)
        contents = record["contents"]
        assert line.count(b"\n") == 1
        assert [each["role"] for each in contents] == ["user", "model"] * (len(contents) // 2)
        assert [(each["role"], each["parts"][0]["text"]) for each in contents] == [
            (turn.role, turn.text) for turn in chat.turns
        ]
        assert ("systemInstruction" in record) == bool(chat.system)
        for each in [*contents, *filter(None, [record.get("systemInstruction")])]:
            typed = Content.model_validate(each)
            assert typed.parts is not None
            assert typed.parts[0].text == each["parts"][0]["text"]
            parsed = json_format.ParseDict(each, ProtoContent.pb()())
            assert parsed.parts[0].text == each["parts"][0]["text"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_every_form_of_a_chat_means_the_same_chat(seed: int) -> None:
    for chat in random_chats(seed, 20):
        for form, row in forms_of(chat):
            assert chat_of(form, row) == chat
            assert chat_of(RowForm.AUTO, {"other": "column"} | row) == chat


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_the_bytes_are_the_same_in_every_process(hash_seed: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tests.service.datasets.random_chats", "7"],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    ).stdout

    assert printed == written(7, 200)


TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ("not json", "invalid_messages"),
        ({"role": "user"}, "invalid_messages"),
        (["hi"], "invalid_messages"),
        ([], "last_turn_not_model"),
        (TURNS[:1], "last_turn_not_model"),
        (TURNS[1:], "role_order"),
        ([*TURNS, *TURNS[1:]], "role_order"),
        ([TURNS[0], *TURNS], "role_order"),
        ([*TURNS, {"role": "system", "content": "late"}, *TURNS], "role_order"),
        ([{"role": "tool", "content": "x"}, *TURNS], "unknown_role"),
        ([{"role": 5, "content": "x"}, *TURNS], "unknown_role"),
        ([{"role": "user", "content": None}, TURNS[1]], "empty_turn"),
        ([{"role": "user", "content": ["hi"]}, TURNS[1]], "unsupported_part"),
        ([{"role": "user", "content": {"text": "hi"}}, TURNS[1]], "unsupported_part"),
        ([{"role": "user", "content": [{"type": "image_url"}]}, TURNS[1]], "unsupported_part"),
        ([{"role": "user", "content": " \n"}, TURNS[1]], "empty_turn"),
        ([TURNS[0], {"role": "assistant", "content": ""}], "empty_turn"),
    ],
)
def test_a_chat_that_cannot_be_taught_says_why(messages: Any, code: str) -> None:
    text = messages if isinstance(messages, str) else json.dumps(messages)

    problem = chat_of(RowForm.MESSAGES, {"messages": text})

    assert isinstance(problem, RowProblem)
    assert problem.code == code


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"contents": '[{"role": "user", "parts": [{"fileData": {}}]}]'}, "unsupported_part"),
        ({"contents": '[{"role": "user", "parts": "hi"}]'}, "unsupported_part"),
        ({"contents": "[{}]"}, "unsupported_part"),
        ({"contents": '[{"parts": [{"text": "hi", "thought": "false"}]}]'}, "unsupported_part"),
        ({"contents": "[]", "messages": "[]"}, "several_forms"),
        ({"prompt": "x", "completion": "y", "label": "false"}, "unwanted_answer"),
        ({"prompt": "x", "completion": "y", "cachedContent": "x"}, "unsupported_member"),
        ({"prompt": "x", "completion": "y", "tools": "[{'a': 1}]"}, "unsupported_member"),
        ({"prompt": "x"}, "unknown_form"),
        ({"prompt": "x", "completion": ""}, "unknown_form"),
        ({}, "unknown_form"),
    ],
)
def test_a_row_of_no_form_says_why(row: dict[str, str], code: str) -> None:
    problem = chat_of(RowForm.AUTO, row)

    assert isinstance(problem, RowProblem)
    assert problem.code == code


def test_parts_may_be_several_or_a_single_object_and_system_plain_text() -> None:
    contents = [
        {"parts": [{"text": "What "}, {"text": "now?"}]},
        {"role": "model", "parts": {"text": "This."}},
    ]
    row = {"contents": json.dumps(contents), "system_instruction": " Be brief. "}

    chat = chat_of(RowForm.CONTENTS, row)

    assert isinstance(chat, Chat)
    assert (chat.system, chat.text, chat.target) == ("Be brief.", "What now?", "This.")


def converted(messages: list[dict[str, str]]) -> ConvertedExample:
    preset = choose_preset("generic", template=None, columns=(), form=RowForm.MESSAGES)
    converted_example = preset.convert({"messages": json.dumps(messages)})
    assert isinstance(converted_example, ConvertedExample)
    return converted_example


def test_what_was_said_before_is_part_of_the_question() -> None:
    first = converted(
        [*TURNS, {"role": "user", "content": "And?"}, {"role": "model", "content": "!"}]
    )
    other = converted([{"role": "user", "content": "And?"}, {"role": "model", "content": "!"}])
    with_system = converted([{"role": "system", "content": "s"}, *TURNS])

    assert (first.text, first.target, len(first.history)) == ("And?", "!", 2)
    assert first.identity[0] != other.identity[0]
    assert with_system.identity[0] != converted(TURNS).identity[0]
    assert with_system.system == "s"


def test_chats_need_no_template_and_take_none() -> None:
    with pytest.raises(Invalid) as raised:
        choose_preset(
            "generic",
            template=Template(text="{{a}}", target="{{b}}"),
            columns=(),
            form=RowForm.AUTO,
        )
    assert raised.value.code == "template_not_allowed"
    with pytest.raises(Invalid) as raised:
        choose_preset("pii", template=None, columns=(), form=RowForm.AUTO)
    assert raised.value.code == "form_not_allowed"


SINGLE = Example("ex_1", "Text: Ann", "[NAME]", ("[NAME]",), "", 1)


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (
            "contents",
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "Mask.\n\nText: Ann"}]},
                    {"role": "model", "parts": [{"text": "[NAME]"}]},
                ]
            },
        ),
        ("text_input_output", {"text_input": "Mask.\n\nText: Ann", "output": "[NAME]"}),
        (
            "messages",
            {
                "messages": [
                    {"role": "system", "content": "Mask."},
                    {"role": "user", "content": "Text: Ann"},
                    {"role": "model", "content": "[NAME]"},
                ]
            },
        ),
        (
            "openai",
            {
                "messages": [
                    {"role": "system", "content": "Mask."},
                    {"role": "user", "content": "Text: Ann"},
                    {"role": "assistant", "content": "[NAME]"},
                ]
            },
        ),
    ],
)
def test_an_example_is_written_in_the_forms_of_the_articles(
    form: str, line: dict[str, Any]
) -> None:
    assert [json.loads(each) for each in WRITERS[form]("Mask.", [SINGLE])] == [line]


def test_what_is_exported_is_read_back_as_the_same_chat() -> None:
    for chat in random_chats(3, 200):
        for name, form in (("contents", RowForm.CONTENTS), ("openai", RowForm.MESSAGES)):
            (line,) = WRITERS[name]("", [example_of(chat)])
            row = {key: json.dumps(value) for key, value in json.loads(line).items()}
            assert chat_of(form, row) == chat


def test_several_turns_do_not_fit_the_oldest_form() -> None:
    chat = next(chat for chat in random_chats(1, 50) if chat.history)

    with pytest.raises(Invalid) as raised:
        list(WRITERS["text_input_output"]("", [example_of(chat, row=7)]))

    assert raised.value.code == "several_turns"
    assert "row 7" in raised.value.message
