"""Preparing a dataset: real databases and a real store, nothing half-made."""

import hashlib
import json
from pathlib import Path

import pytest

from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.queries import get_dataset, ready_dataset
from service.datasets.schemas import present_dataset
from service.errors import Conflict, Invalid, NotFound, Unavailable
from service.files.operations import remove_file
from service.jobs.lifecycle import State
from service.jobs.ports import JobCancelled
from service.storage.local import LocalStore
from service.storage.ports import StoredObject
from service.storage.tables import read_parquet
from tests.service.datasets.preparation import (
    CountingStore,
    go,
    read_object,
    reserve,
    upload,
)
from tests.support.emulator import start_emulator
from tests.support.erasure import delete
from tests.support.parquet import parquet_metadata
from tests.support.stored_examples import read_examples


class AbsentStore(LocalStore):
    """A folder whose writes fail after the first ones, as a network's do."""

    def __init__(self, folder: Path, *, puts: int) -> None:
        super().__init__(folder)
        self._left = puts

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        if self._left == 0:
            raise Unavailable("away")
        self._left -= 1
        return super().put_file(key, path, content_type=content_type)


def test_a_prepared_dataset_tells_what_it_holds(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    run = reserve(sessions, project_id)
    dataset_id = go(run, store)

    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    shown = present_dataset(row, job=State.RUNNING)
    assert (shown.id, shown.job, shown.state, shown.preset) == (dataset_id, run.id, "ready", "pii")
    assert shown.metrics == ["sacrebleu", "pii_entity_f1", "pii_leak_rate", "exact_match"]
    assert (shown.splits[Split.TEST].rows, shown.splits[Split.VALIDATION].rows) == (40, 20)
    assert list(shown.training_files) == ["10", "50", "100"]
    report = shown.report
    assert report is not None
    assert report.source_rows == 200
    assert report.kept == sum(split.rows for split in shown.splits.values())
    assert report.kept + sum(each.rows for each in report.dropped.values()) == 200
    assert run.progress[-1] == (report.kept, report.kept, "filling")


def test_training_files_are_nested_and_named_by_their_digest(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    dataset_id = go(reserve(sessions, project_id), store)

    with sessions.reading() as session:
        view = ready_dataset(dataset_id, project_id=project_id, session=session)
    train = read_examples(view.examples_key, Split.TRAIN, store=store, limit=100)
    previous = b""
    for size, file in view.training_files.items():
        data = read_object(store, file["key"])
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        folder = f"projects/{project_id}/datasets/{dataset_id}"
        assert file["key"] == f"{folder}/{file['sha256']}.jsonl"
        assert file["uri"] == store.uri(file["key"])
        assert data.count(b"\n") == file["rows"] == int(size)
        assert data.startswith(previous)
        previous = data
    turns = [json.loads(line)["contents"] for line in previous.splitlines()]
    assert [turn[1]["parts"][0]["text"] for turn in turns] == [each.target for each in train]
    assert turns[0][0]["parts"][0]["text"] == f"{view.instruction}\n\n{train[0].text}"
    validation = view.splits["validation"]
    assert read_object(store, validation["key"]).count(b"\n") == validation["rows"] == 20


def test_the_manifest_names_every_file_with_rows_and_digest(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    dataset_id = go(reserve(sessions, project_id), store)

    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    manifest = json.loads(read_object(store, row.report["manifest"]["key"]))
    assert manifest["fingerprint"] == row.fingerprint
    assert set(manifest["files"]) == {
        "examples",
        "train_10",
        "train_50",
        "train_100",
        "validation",
    }
    for file in manifest["files"].values():
        data = read_object(store, file["key"])
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    with store.open(row.examples_key or "") as stream:
        assert parquet_metadata(stream)["schema_version"] == "1"
        assert len(list(read_parquet(stream))) == manifest["files"]["examples"]["rows"]


def test_the_same_rows_and_seed_give_the_same_files(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    first, second = (go(reserve(sessions, project_id), store) for _ in range(2))

    assert store.created == [True] * 12
    one, two = (
        get_dataset(each, project_id=project_id, sessions=sessions) for each in (first, second)
    )
    assert one.fingerprint == two.fingerprint
    digests = [[file["sha256"] for file in row.training_files.values()] for row in (one, two)]
    assert digests[0] == digests[1]
    other = go(reserve(sessions, project_id, seed=1), store)
    three = get_dataset(other, project_id=project_id, sessions=sessions)
    assert three.fingerprint != one.fingerprint


def test_running_twice_is_running_once(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    run = reserve(sessions, project_id)
    dataset_id = go(run, store)
    before = get_dataset(dataset_id, project_id=project_id, sessions=sessions).ready_at
    store.created.clear()

    go(run, store)

    assert store.created == []
    assert get_dataset(dataset_id, project_id=project_id, sessions=sessions).ready_at == before


@pytest.mark.parametrize("puts", [0, 1, 4, 5])
def test_a_store_that_fails_half_way_leaves_the_dataset_unready(
    sessions: Sessions, tmp_path: Path, project_id: str, puts: int
) -> None:
    run = reserve(sessions, project_id)

    with pytest.raises(Unavailable):
        go(run, AbsentStore(tmp_path / "objects", puts=puts))

    row = get_dataset(run.outputs["dataset"], project_id=project_id, sessions=sessions)
    assert (row.ready_at, row.examples_key, row.training_files) == (None, None, {})
    go(run, CountingStore(tmp_path / "objects"))
    row = get_dataset(run.outputs["dataset"], project_id=project_id, sessions=sessions)
    assert row.ready_at is not None


def test_a_cancelled_job_stops_before_anything_is_stored(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    run = reserve(sessions, project_id)
    run.cancelling = True

    with pytest.raises(JobCancelled):
        go(run, store)

    assert store.created == []


def test_an_uploaded_file_becomes_a_dataset(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    lines = [f"tweet {number},{('positive', 'negative')[number % 2]}" for number in range(60)]
    data = "\n".join(["tweet,sentiment", *lines]).encode()
    file_id = upload(data, sessions, store, project_id)
    spec = {
        "preset": "sentiment",
        "source": {"type": "file", "file_id": file_id},
        "columns": {"text": "tweet"},
        "train_sizes": [10],
        "test_size": 20,
        "validation_size": 0,
    }

    dataset_id = go(reserve(sessions, project_id, **spec), store)

    row = get_dataset(dataset_id, project_id=project_id, sessions=sessions)
    assert row.report["kept"] == 60
    assert row.splits["validation"] == {
        "rows": 0,
        "groups": 0,
        "key": None,
        "uri": None,
        "sha256": None,
        "pairs": None,
    }


def test_a_file_deleted_before_its_job_ran_is_not_found(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    file_id = upload(b"text,sentiment\na,neutral\n", sessions, store, project_id)
    source = {"type": "file", "file_id": file_id}
    run = reserve(sessions, project_id, preset="sentiment", source=source)
    with pytest.raises(Conflict) as refused:
        delete(file_id, project_id=project_id, sessions=sessions, store=store)
    assert (refused.value.code, run.id in refused.value.message) == ("in_use", True)
    with sessions.transaction() as session:  # a deletion that had looked before the job came
        remove_file(session, file_id, project_id=project_id)

    with pytest.raises(NotFound) as raised:
        go(run, store)

    assert raised.value.code == "input_not_found"


def test_a_cloud_object_becomes_a_dataset(
    sessions: Sessions,
    store: CountingStore,
    project_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from service.storage.gcs import GcsStore

    rows = [{"text": f"tweet {number}", "sentiment": "neutral"} for number in range(30)]
    file = tmp_path / "rows"
    file.write_text("\n".join(map(json.dumps, rows)))
    with start_emulator() as emulator:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        theirs = GcsStore("theirs", "", project="p")
        theirs.put_file("rows.jsonl", file, content_type="application/x-ndjson")
        spec = {"preset": "sentiment", "train_sizes": [5], "test_size": 5, "validation_size": 0}
        source = {"type": "gs", "uri": "gs://theirs/rows.jsonl"}
        dataset_id = go(reserve(sessions, project_id, source=source, **spec), store)
        absent = {"type": "gs", "uri": "gs://theirs/other.jsonl"}
        with pytest.raises(NotFound) as raised:
            go(reserve(sessions, project_id, source=absent, **spec), store)

    assert get_dataset(dataset_id, project_id=project_id, sessions=sessions).report["kept"] == 30
    assert raised.value.code == "input_not_found"
    assert [fault.pointer for fault in raised.value.faults] == ["/spec/source/uri"]


def test_leaks_that_were_allowed_are_what_other_rooms_see(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    lines = [f"tweet number {number},neutral,train" for number in range(20)]
    lines += [f"tweet number {number},neutral,test" for number in range(17, 22)]
    file_id = upload(
        "\n".join(["text,sentiment,part", *lines]).encode(), sessions, store, project_id
    )
    spec = {
        "preset": "sentiment",
        "source": {"type": "file", "file_id": file_id},
        "split_column": "part",
        "train_sizes": [10],
    }

    store.created.clear()
    with pytest.raises(Invalid) as raised:
        go(reserve(sessions, project_id, **spec), store)
    assert store.created == []
    dataset_id = go(reserve(sessions, project_id, **spec, allow_leakage=True), store)
    clean_id = go(reserve(sessions, project_id), store)

    rows = {fault.pointer for fault in raised.value.faults if fault.code == "leak_exact_input"}
    assert rows == {"row 21", "row 22", "row 23"}
    with sessions.reading() as session:
        leaky, clean = (
            ready_dataset(each, project_id=project_id, session=session)
            for each in (dataset_id, clean_id)
        )
    assert leaky.leaky
    assert not clean.leaky
