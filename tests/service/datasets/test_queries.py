"""Finished datasets: read, paged, downloaded, deleted."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.clock import utc_now
from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.models import Dataset
from service.datasets.queries import (
    dataset_content,
    get_dataset,
    list_datasets,
    list_rows,
    ready_dataset,
)
from service.datasets.schemas import present_dataset
from service.errors import Conflict, NotFound
from service.ids import Prefix, new_id
from service.jobs.lifecycle import State
from service.jobs.ports import InputNotReady
from service.storage.tables import read_parquet
from service.tuning.models import TunedModel
from tests.service.datasets.preparation import (
    CountingStore,
    go,
    reserve,
)
from tests.support.erasure import delete
from tests.support.runs import add_project
from tests.support.stored_examples import read_examples


def test_a_dataset_that_is_not_ready_names_the_job_to_wait_for(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    run = reserve(sessions, project_id)
    dataset_id = run.outputs["dataset"]

    with sessions.reading() as session, pytest.raises(InputNotReady) as waiting:
        ready_dataset(dataset_id, project_id=project_id, session=session)
    assert waiting.value.job_id == run.id
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}
    for act in (
        lambda: list_rows(dataset_id, **where, split=None, after=None, limit=5),
        lambda: dataset_content(dataset_id, "csv", **where),
        lambda: delete(dataset_id, **where),
    ):
        with pytest.raises(Conflict) as raised:
            act()
        assert raised.value.code == "not_ready"
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    assert present_dataset(row, job=State.QUEUED).state == "creating"
    assert present_dataset(row, job=State.FAILED).state == "failed"


def test_rows_are_paged_in_stored_order(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    dataset_id = go(reserve(sessions, project_id), store)
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}

    first = list_rows(dataset_id, **where, split=Split.TEST, after=None, limit=30)
    second = list_rows(dataset_id, **where, split=Split.TEST, after=first[-1].id, limit=30)

    assert [row.position for row in [*first, *second]] == list(range(40))
    key = get_dataset(dataset_id, project_id=project_id, sessions=sessions).examples_key or ""
    test = read_examples(key, Split.TEST, store=store)
    assert [row.id for row in [*first, *second]] == [each.id for each in test]
    assert replace(test[0], fields={}) == test[0]
    assert test[0].references == (test[0].target,)


def test_content_is_the_same_rows_in_every_format(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    dataset_id = go(reserve(sessions, project_id), store)
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}

    parquet, jsonl, csv_ = (
        dataset_content(dataset_id, name, **where) for name in ("parquet", "jsonl", "csv")
    )

    rows = list(read_parquet(io.BytesIO(b"".join(parquet.chunks))))
    assert [json.loads(line) for line in jsonl.chunks] == rows
    text = b"".join(csv_.chunks).decode()
    cells = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [cell["id"] for cell in cells] == [row["id"] for row in rows]
    assert jsonl.file_name == f"{dataset_id}.jsonl"
    assert (csv_.content_type, parquet.key is not None, csv_.key) == ("text/csv", True, None)


def test_another_project_sees_no_dataset(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    dataset_id = go(reserve(sessions, project_id), store)
    stranger = add_project(sessions)
    where: dict[str, Any] = {"project_id": stranger, "sessions": sessions, "store": store}

    assert list_datasets(stranger, after=None, limit=5, sessions=sessions) == []
    for act in (
        lambda: get_dataset(dataset_id, project_id=stranger, sessions=sessions),
        lambda: list_rows(dataset_id, **where, split=None, after=None, limit=5),
        lambda: dataset_content(dataset_id, "csv", **where),
        lambda: delete(dataset_id, **where),
    ):
        with pytest.raises(NotFound) as raised:
            act()
        assert raised.value.code == "dataset_not_found"


def test_a_datasets_objects_go_with_it_and_no_others(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    first, second = (go(reserve(sessions, project_id), store) for _ in range(2))
    row = get_dataset(second, project_id=project_id, sessions=sessions)
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}

    delete(first, **where)

    assert store.size(row.examples_key or "") is not None
    assert store.size(row.training_files["50"]["key"]) is not None
    delete(second, **where)
    assert [path for path in (store._folder).rglob("*") if path.is_file()] == []
    with pytest.raises(NotFound):
        delete(second, **where)


def test_datasets_of_older_versions_share_objects_until_the_last_is_deleted(
    sessions: Sessions, store: CountingStore, project_id: str, tmp_path: Path
) -> None:
    first, second = (go(reserve(sessions, project_id), store) for _ in range(2))
    (tmp_path / "old").write_bytes(b"rows")
    store.put_file("datasets/digest.parquet", tmp_path / "old", content_type="a/b")
    with sessions.transaction() as session:
        for each in (first, second):
            session.get_one(Dataset, each).examples_key = "datasets/digest.parquet"
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}

    delete(first, **where)
    assert store.size("datasets/digest.parquet") == 4
    delete(second, **where)
    assert store.size("datasets/digest.parquet") is None


def test_a_dataset_that_a_model_was_tuned_on_is_in_use(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    run = reserve(sessions, project_id)
    dataset_id = go(run, store)
    model_id = new_id(Prefix.MODEL)
    with sessions.transaction() as session:
        session.add(
            TunedModel(
                id=model_id,
                project_id=project_id,
                job_id=run.id,
                dataset_id=dataset_id,
                provider="vertex",
                base_model="gemini-3.1-flash-lite",
                created_at=utc_now(),
            )
        )

    with pytest.raises(Conflict) as raised:
        delete(dataset_id, project_id=project_id, sessions=sessions, store=store)

    assert raised.value.code == "in_use"
    assert model_id in raised.value.message
    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    assert store.size(row.examples_key or "") is not None
