"""Pairs of a chosen and a rejected answer: the same from every form, and kept apart by prompt."""

import json
from typing import Any

import pytest

from service.database import Sessions
from service.datasets.drops import DropReason
from service.datasets.examples import Chat, Split, Turn
from service.datasets.presets.preference_forms import PreferencePair, pair_of
from service.datasets.presets.preset import RowProblem
from service.datasets.publishing.content import StoredDataset, content_of
from service.datasets.publishing.export_forms import preference_lines
from service.datasets.queries import get_dataset, ready_dataset
from service.datasets.schemas import present_dataset
from service.errors import Invalid
from service.jobs.lifecycle import State
from tests.service.datasets.preparation import CountingStore, go, read_object, reserve, upload
from tests.support.stored_examples import read_examples


def asked(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def part(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


def scored(score: float, text: str) -> dict[str, Any]:
    return {"score": score, "completion": part("model", text)}


def fields(row: dict[str, Any]) -> dict[str, str]:
    """Return a row as sources hand it on: what is no text is JSON."""
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in row.items()}


EARLIER = (Turn("user", "Hi"), Turn("model", "Hello"))
TALK = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: "
OPENAI = {"messages": [asked("Why?")], "tools": [], "parallel_tool_calls": True}
FORMS: list[tuple[dict[str, Any], tuple[Turn, ...]]] = [
    ({"prompt": "Why?", "chosen": "So.", "rejected": "No."}, ()),
    ({"prompt": [asked("Why?")], "chosen": [said("So.")], "rejected": [said("No.")]}, ()),
    ({"chosen": [asked("Why?"), said("So.")], "rejected": [asked("Why?"), said("No.")]}, ()),
    (
        {
            "prompt": "Why?",
            "chosen": [asked("Why?"), said("So.")],
            "rejected": [asked("Why?"), said("No.")],
        },
        (),
    ),
    ({"chosen": f"{TALK}So.", "rejected": f"{TALK}No."}, EARLIER),
    ({"prompt": TALK, "chosen": " So.", "rejected": " No."}, EARLIER),
    (
        {"input": OPENAI, "preferred_output": [said("So.")], "non_preferred_output": [said("No.")]},
        (),
    ),
    (
        {
            "contents": [part("user", "Hi"), part("model", "Hello"), part("user", "Why?")],
            "completions": [scored(0, "No."), scored(1.0, "So.")],
        },
        EARLIER,
    ),
]


@pytest.mark.parametrize(("row", "history"), FORMS)
def test_every_form_of_a_pair_means_the_same(
    row: dict[str, Any], history: tuple[Turn, ...]
) -> None:
    turns = (*history, Turn("user", "Why?"), Turn("model", "So."))
    assert pair_of(fields(row)) == PreferencePair(Chat("", turns), "No.")
    with_system = pair_of(fields(row | {"systemInstruction": {"parts": [{"text": "Be kind."}]}}))
    assert with_system == PreferencePair(Chat("Be kind.", turns), "No.")


CALL = [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Why?", "chosen": "So.", "rejected": "So. "}, DropReason.EQUAL_ANSWERS),
        ({"chosen": f"{TALK}So.", "rejected": f"{TALK}So."}, DropReason.EQUAL_ANSWERS),
        ({"prompt": "Why?", "chosen": "So.", "rejected": ""}, DropReason.ANSWER_MISSING),
        ({"prompt": "Why?", "chosen": "", "rejected": ""}, DropReason.ANSWER_MISSING),
        ({"chosen": f"{TALK}So.", "rejected": TALK}, DropReason.ANSWER_MISSING),
        ({"input": OPENAI, "preferred_output": [said("a")]}, DropReason.ANSWER_MISSING),
        (
            {"contents": [part("user", "a")], "completions": [scored(1, "b")]},
            DropReason.ANSWER_MISSING,
        ),
        ({"chosen": "So.", "rejected": "No."}, DropReason.EMPTY_TEXT),
        (
            {"chosen": f"{TALK}So.", "rejected": "\n\nHuman: Yes?\n\nAssistant: No."},
            DropReason.NO_SHARED_PROMPT,
        ),
        (
            {"chosen": f"{TALK}a\n\nHuman: b\n\nAssistant: c", "rejected": f"{TALK}d"},
            DropReason.NO_SHARED_PROMPT,
        ),
        ({"prompt": "Why?", "chosen": CALL, "rejected": "No."}, "unsupported_member"),
        (
            {
                "input": OPENAI | {"tools": [{"type": "function"}]},
                "preferred_output": [said("a")],
                "non_preferred_output": [said("b")],
            },
            "unsupported_member",
        ),
        (
            {"prompt": "a", "chosen": "b", "rejected": "c", "tools": [{"x": 1}]},
            "unsupported_member",
        ),
        (
            {"contents": [part("user", "a")], "completions": [scored(1, "b"), scored(0.5, "c")]},
            "unsupported_score",
        ),
        (
            {"prompt": "a", "chosen": [said("b"), asked("c"), said("d")], "rejected": [said("e")]},
            "several_turns",
        ),
        (
            {"prompt": "x", "chosen": [asked("a"), said("b")], "rejected": [asked("a"), said("c")]},
            "prompt_differs",
        ),
        ({"prompt": [asked("a"), said("b")], "chosen": "c", "rejected": "d"}, "role_order"),
        ({"question": "a", "answer": "b"}, "unknown_form"),
    ],
)
def test_a_row_that_is_no_pair_says_why(row: dict[str, Any], reason: DropReason | str) -> None:
    found = pair_of(fields(row))
    assert (found.code if isinstance(found, RowProblem) else found) == reason


def source() -> list[dict[str, str]]:
    """Return 60 pairs of 30 prompts, and after them rows that are left out."""
    kinds = ("apples", "rivers", "engines", "planets", "violins", "bridges")
    prompts = [f"What is note {at} about {kinds[at % 6]} number {at * 7}?" for at in range(30)]
    pairs = [
        {"prompt": prompt, "chosen": f"A kind reply to {prompt}", "rejected": f"Rude {turn} {at}"}
        for turn in range(2)
        for at, prompt in enumerate(prompts)
    ]
    turned = {"prompt": "Left or right?", "chosen": "Left", "rejected": "Right"}
    other = {"prompt": "Left or right?", "chosen": "Right", "rejected": "Left"}
    equal = {"prompt": "One or one?", "chosen": "One", "rejected": "One"}
    circle = [
        {"prompt": "Which of all?", "chosen": chosen, "rejected": rejected}
        for chosen, rejected in ("ab", "bc", "ca", "ad")  # the last one leads out of it
    ]
    return [*pairs, pairs[0], turned, other, equal, *circle]


@pytest.fixture
def prepared(
    sessions: Sessions, store: CountingStore, project_id: str
) -> tuple[str, CountingStore]:
    data = "".join(json.dumps(row) + "\n" for row in source()).encode()
    file_id = upload(data, sessions, store, project_id, format="jsonl")
    run = reserve(
        sessions,
        project_id,
        preset="generic",
        form="preference",
        source={"type": "file", "file_id": file_id},
        train_sizes=[10, 20],
        test_size=8,
        validation_size=4,
    )
    return go(run, store), store


def test_pairs_are_split_by_prompt_and_each_left_out_row_has_its_reason(
    prepared: tuple[str, CountingStore], sessions: Sessions, project_id: str
) -> None:
    dataset_id, store = prepared
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    shown = present_dataset(row, job=State.SUCCEEDED)
    assert shown.report is not None
    dropped = {reason: each.first_rows for reason, each in shown.report.dropped.items()}
    assert dropped["conflicting_preference"] == [62, 63, 65, 66, 67]
    assert dropped["equal_answers"] == [64]
    assert shown.report.dropped["duplicate"].rows == 1
    key = row.examples_key or ""
    of_split = {split: read_examples(key, split, store=store) for split in Split}
    prompts = {split: {each.text for each in found} for split, found in of_split.items()}
    assert not prompts[Split.TEST] & (prompts[Split.TRAIN] | prompts[Split.VALIDATION])
    assert all(each.rejected.startswith("Rude") for each in of_split[Split.TEST])
    assert len({each.id for found in of_split.values() for each in found}) == sum(
        map(len, of_split.values())
    )
    training = shown.training_files["10"]
    assert training.pairs is not None
    lines = read_object(store, training.pairs.key).splitlines()
    assert lines == list(map(bytes.strip, preference_lines("", of_split[Split.TRAIN][:10])))
    first = json.loads(lines[0])
    assert [turn["role"] for turn in first["contents"]] == ["user"]
    assert [each["score"] for each in first["completions"]] == [1, 0]
    assert first["completions"][0]["completion"]["parts"][0]["text"].startswith("A kind reply")
    taught = json.loads(read_object(store, training.key).splitlines()[0])
    assert taught["contents"][-1] == first["completions"][0]["completion"]
    assert shown.splits[Split.VALIDATION].pairs is not None
    cost = shown.report.cost
    assert cost is not None
    assert cost.preference[0].tokens_low > 1.5 * cost.rows[0].tokens_low


def test_pairs_are_exported_in_the_form_that_they_are_read_in(
    prepared: tuple[str, CountingStore], sessions: Sessions, project_id: str
) -> None:
    dataset_id, store = prepared
    with sessions.reading() as session:
        view = ready_dataset(dataset_id, project_id=project_id, session=session)
    stored = StoredDataset(view.examples_key, "ds", view.instruction, pairs=True)
    lines = b"".join(content_of(stored, "preference", store=store).chunks).splitlines()
    rows = [fields(json.loads(line)) for line in lines]
    examples = read_examples(view.examples_key, Split.TRAIN, store=store)
    read = [pair_of(row) for row in rows]
    assert [each.rejected for each in read if isinstance(each, PreferencePair)] == [
        each.rejected for each in examples
    ]
    with pytest.raises(Invalid) as refused:
        content_of(StoredDataset(view.examples_key, "ds", ""), "preference", store=store)
    assert refused.value.code == "pairs_required"
