"""Members of messages: what cannot be taught is refused by its name and never dropped."""

import json
from typing import Any

import pytest

from service.datasets.drops import DropReason
from service.datasets.examples import Chat
from service.datasets.presets.chat_forms import RowForm, chat_of
from service.datasets.presets.preset import RowProblem

ASKED = {"role": "user", "content": "Where is my kayak?"}
CALL = {"id": "c7", "type": "function", "function": {"name": "track", "arguments": "{}"}}


def read(form: RowForm, **columns: Any) -> Chat | RowProblem | DropReason:
    return chat_of(form, {name: json.dumps(value) for name, value in columns.items()})


def answered(**members: Any) -> list[dict[str, Any]]:
    return [ASKED, {"role": "assistant", "content": "On its way.", **members}]


def contents(*parts: Any) -> list[dict[str, Any]]:
    asked = {"role": "user", "parts": [{"text": "Where is my kayak?"}]}
    return [asked, {"role": "model", "parts": list(parts)}]


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"tool_calls": [CALL]}, "tool_calls"),
        ({"function_call": {"name": "track", "arguments": "{}"}}, "function_call"),
        ({"reasoning_content": "They mean the boat."}, "reasoning_content"),
        ({"name": "Bea"}, "name"),
        (
            {"content": [{"type": "text", "text": "Hi", "citations": [{"start": 1}]}]},
            "citations",
        ),
    ],
)
def test_a_member_that_cannot_be_taught_is_refused_by_its_name(
    members: dict[str, Any], name: str
) -> None:
    problem = read(RowForm.MESSAGES, messages=answered(**members))

    assert isinstance(problem, RowProblem)
    assert problem.code == "unsupported_member"
    assert f"`{name}`" in problem.message


def test_a_name_that_is_no_name_is_not_repeated() -> None:
    problem = read(RowForm.MESSAGES, messages=answered(**{"Ann Smith, 12 Road": "x"}))

    assert isinstance(problem, RowProblem)
    assert "Ann" not in problem.message


def test_members_without_a_value_and_a_weight_of_one_lose_nothing() -> None:
    messages = answered(tool_calls=None, refusal=None, annotations=[], weight=1)

    assert read(RowForm.MESSAGES, messages=messages) == read(RowForm.MESSAGES, messages=answered())


@pytest.mark.parametrize("part", [{"functionCall": {"name": "track"}}, {"inlineData": {"a": 1}}])
def test_a_part_with_a_call_beside_a_text_is_refused(part: dict[str, Any]) -> None:
    for parts in ([{"text": "On its way."}, part], [{"text": "On its way.", **part}]):
        problem = read(RowForm.CONTENTS, contents=contents(*parts))

        assert isinstance(problem, RowProblem)
        assert next(iter(part)) in problem.message


@pytest.mark.parametrize("column", ["tools", "functions", "toolConfig"])
def test_a_row_with_tools_is_refused_and_one_with_none_is_not(column: str) -> None:
    problem = read(RowForm.MESSAGES, messages=answered(), **{column: [CALL]})

    assert isinstance(problem, RowProblem)
    assert f"`{column}`" in problem.message
    assert isinstance(read(RowForm.MESSAGES, messages=answered(), **{column: []}), Chat)


def test_a_row_whose_only_answer_has_no_weight_is_dropped() -> None:
    assert read(RowForm.MESSAGES, messages=answered(weight=0)) is DropReason.ZERO_WEIGHT


def test_a_turn_without_weight_beside_one_with_it_is_refused() -> None:
    messages = [*answered(weight=0), {"role": "user", "content": "When?"}, *answered(weight=1)[1:]]

    problem = read(RowForm.MESSAGES, messages=messages)

    assert isinstance(problem, RowProblem)
    assert problem.code == "unsupported_weight"


def test_a_weight_between_is_refused() -> None:
    problem = read(RowForm.MESSAGES, messages=answered(weight=0.5))

    assert isinstance(problem, RowProblem)
    assert problem.code == "unsupported_weight"


def test_thoughts_are_left_out_of_every_turn() -> None:
    thought = {"text": "A kayak is a boat.", "thought": True}
    said = {"text": "On its way.", "thoughtSignature": "c2ln"}
    again = contents(thought, {"text": "Tomorrow."})
    row = [*contents(thought, said), *again]

    chat = read(RowForm.CONTENTS, contents=row)

    assert isinstance(chat, Chat)
    assert [turn.text for turn in chat.turns[1::2]] == ["On its way.", "Tomorrow."]


def test_a_turn_of_nothing_but_thoughts_is_empty() -> None:
    problem = read(RowForm.CONTENTS, contents=contents({"text": "Hm.", "thought": True}))

    assert isinstance(problem, RowProblem)
    assert problem.code == "empty_turn"


@pytest.mark.parametrize(
    ("form", "names"),
    [
        (RowForm.PROMPT_COMPLETION, ("prompt", "completion")),
        (RowForm.TEXT_INPUT_OUTPUT, ("text_input", "output")),
        (RowForm.AUTO, ("text_input", "output")),
    ],
)
def test_prompts_and_completions_that_are_messages_are_read_as_a_chat(
    form: RowForm, names: tuple[str, str]
) -> None:
    prompt = [{"role": "system", "content": "Be short."}, *answered(), ASKED]
    completion = [{"role": "assistant", "content": "Still on its way."}]

    chat = read(form, **dict(zip(names, (prompt, completion), strict=True)))

    assert chat == read(RowForm.MESSAGES, messages=[*prompt, *completion])
    assert isinstance(chat, Chat)
    assert (chat.system, len(chat.turns)) == ("Be short.", 4)


def test_a_completion_of_messages_with_a_call_is_refused() -> None:
    problem = read(
        RowForm.PROMPT_COMPLETION, prompt=[ASKED], completion=answered(tool_calls=[CALL])[1:]
    )

    assert isinstance(problem, RowProblem)
    assert "`tool_calls`" in problem.message


def test_a_completion_that_is_json_of_something_else_stays_text() -> None:
    completion = '[{"type": "PERSON", "text": "Ann", "role": "buyer"}]'

    chat = chat_of(RowForm.PROMPT_COMPLETION, {"prompt": "Find.", "completion": completion})

    assert isinstance(chat, Chat)
    assert chat.target == completion


@pytest.mark.parametrize(
    "system",
    [
        ["Be short.", "Be kind."],
        [{"text": "Be short.\n\n"}, {"text": "Be kind."}],
        {"parts": [{"text": "Be short.\n\nBe kind."}]},
    ],
)
def test_a_system_instruction_of_several_texts_is_one_text(system: Any) -> None:
    chat = read(RowForm.CONTENTS, contents=contents({"text": "ok"}), systemInstruction=system)

    assert isinstance(chat, Chat)
    assert chat.system == "Be short.\n\nBe kind."


def test_a_system_instruction_beside_messages_is_not_lost() -> None:
    fields = {"messages": json.dumps(answered()), "systemInstruction": "Be short."}

    chat = chat_of(RowForm.MESSAGES, fields)

    assert isinstance(chat, Chat)
    assert chat.system == "Be short."


def test_a_member_named_twice_inside_a_cell_is_refused() -> None:
    messages = '[{"role": "user", "content": "old", "content": "new"}]'

    problem = chat_of(RowForm.MESSAGES, {"messages": messages})

    assert isinstance(problem, RowProblem)
    assert problem.code == "duplicate_key"
