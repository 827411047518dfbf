"""The identity of a chat is its system instruction, its history and its text."""

import json
from typing import Any

import polars as pl
import pytest

from service.database import Sessions
from service.datasets.models import Dataset
from service.datasets.queries import get_dataset
from tests.service.datasets.preparation import CountingStore, go, read_object, reserve, upload

WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "jetty")
SPEC: dict[str, Any] = {
    "preset": "generic",
    "form": "messages",
    "validation_size": 0,
    "test_size": 10,
}


def said(number: int, length: int = 30) -> str:
    return " ".join(
        f"{WORDS[(number * 31 + at * (number + 3)) % 10]}{number * 17 + at * at}"
        for at in range(length)
    )


def chat(*texts: str, system: str = "") -> dict[str, Any]:
    turns = [
        {"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)
    ]
    return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}


@pytest.fixture
def prepare(sessions: Sessions, store: CountingStore, project_id: str) -> Any:
    def prepare(rows: list[dict[str, Any]], **changes: Any) -> Dataset:
        data = "\n".join(map(json.dumps, rows)).encode()
        file_id = upload(data, sessions, store, project_id, format="jsonl")
        source = {"type": "file", "file_id": file_id}
        made = go(reserve(sessions, project_id, source=source, **SPEC | changes), store)
        return get_dataset(made, project_id=project_id, sessions=sessions)

    return prepare


ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def codes(dataset: Dataset) -> set[str]:
    return {each["code"] for each in dataset.report["warnings"]}


@ONE
@pytest.mark.parametrize("split", [False, True])
def test_chats_that_end_in_the_same_words_are_all_kept(prepare: Any, split: bool) -> None:  # noqa: FBT001  a case
    rows = [
        chat(said(number), said(number + 100), "Yes please", said(number + 200))
        | ({"part": "test" if number < 10 else "train"} if split else {})
        for number in range(50)
    ]

    dataset = prepare(rows, train_sizes=[30], **({"split_column": "part"} if split else {}))

    assert dataset.report["dropped"].keys() <= {"beyond_test_size"}


@ONE
def test_a_question_about_another_document_is_another_question(
    prepare: Any, store: CountingStore
) -> None:
    rows = [
        chat(question, said(number + 300 + at), system=f"Answer from: {said(number)}")
        for number in range(25)
        for at, question in enumerate(("What is this document about?", "Who has written it?"))
    ]

    dataset = prepare(rows, train_sizes=[30])

    kept = dataset.report["kept"]
    assert dataset.report["dropped"].keys() <= {"beyond_test_size"}
    assert dataset.report["groups"]["count"] == kept
    assert "conflicting_targets" not in codes(dataset)
    assert "few_test_groups" not in codes(dataset)
    groups = pl.read_parquet(read_object(store, dataset.examples_key))["group"]
    assert groups.n_unique() == kept


@ONE
def test_one_sentence_in_several_languages_is_no_conflict(prepare: Any) -> None:
    rows = [
        chat(said(number), f"{said(number)} {language}", system=f"Translate into {language}.")
        for number in range(12)
        for language in ("Danish", "Dutch", "Greek", "Irish")
    ]

    dataset = prepare(rows, train_sizes=[10])

    assert dataset.report["dropped"].keys() <= {"beyond_test_size"}
    assert "conflicting_targets" not in codes(dataset)


@ONE
def test_one_question_with_two_answers_under_one_system_is_a_conflict(prepare: Any) -> None:
    rows = [
        chat(said(number), said(number + 100 + at), system="Be brief.")
        for number in range(30)
        for at in range(2)
    ]

    assert "conflicting_targets" in codes(prepare(rows, train_sizes=[10]))


@ONE
def test_chats_that_differ_only_in_what_was_said_before_have_ids_of_their_own(
    prepare: Any, store: CountingStore
) -> None:
    histories = [
        chat(said(number), said(number + 100), "Yes please", "Done.") for number in range(40)
    ]
    systems = [chat(said(3), "Done.", system=said(number + 500)) for number in range(40)]
    dataset = prepare([*histories, *systems], near_duplicates=None, train_sizes=[30])
    rows = pl.read_parquet(read_object(store, dataset.examples_key))
    assert rows["id"].n_unique() == len(rows) > 60
