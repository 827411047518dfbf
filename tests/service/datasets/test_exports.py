"""A dataset as a file for other tools."""

import json
from typing import get_args

import pytest

from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.publishing.content import ContentFormat
from service.datasets.publishing.export_forms import WRITERS
from service.datasets.queries import dataset_content, get_dataset
from service.errors import Invalid
from tests.service.datasets.preparation import CountingStore, go, reserve, upload

TURNS = ["Hello.", "Good day, what is it?", "Where is parcel {}?", "Parcel {} is on its way."]


def chats(count: int) -> bytes:
    roles = ("user", "assistant", "user", "assistant")
    lines = (
        {
            "messages": [
                {"role": role, "content": text.format(number * 7919)}
                for role, text in zip(roles, TURNS, strict=True)
            ]
        }
        for number in range(count)
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_every_form_of_training_lines_can_be_asked_for() -> None:
    assert set(get_args(ContentFormat)) == {"jsonl", "csv", "parquet", *WRITERS}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_chats_are_exported_with_their_turns_or_refused_where_they_have_no_place(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    file_id = upload(chats(60), sessions, store, project_id, format="jsonl")
    spec = {"preset": "generic", "form": "messages", "near_duplicates": None}
    source = {"type": "file", "file_id": file_id}
    sizes = {"train_sizes": [10], "test_size": 5, "validation_size": 0}
    made = go(reserve(sessions, project_id, source=source, **spec, **sizes), store)

    def export(form: ContentFormat, split: Split | None = None) -> list[str]:
        content = dataset_content(
            made, form, split=split, project_id=project_id, sessions=sessions, store=store
        )
        return b"".join(content.chunks).decode().splitlines()

    splits = get_dataset(made, project_id=project_id, sessions=sessions).splits
    for split in (Split.TRAIN, Split.TEST):
        lines = [json.loads(line)["messages"] for line in export("openai", split)]
        assert len(lines) == splits[split]["rows"] > 0
        assert all([turn["content"] for turn in line][:2] == TURNS[:2] for line in lines)
    with pytest.raises(Invalid) as raised:
        export("text_input_output")
    assert [(each.pointer, each.code) for each in raised.value.faults] == [
        ("format", "several_turns")
    ]
