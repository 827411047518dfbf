"""The same rows make the same dataset, wherever they lie and whatever they are written in."""

import gzip
from pathlib import Path

import pytest

from service.database import Sessions
from service.datasets.operations import get_dataset
from service.errors import Invalid
from service.storage.gcs import GcsStore
from tests.service.datasets.preparing import CountingStore, go, reserve, upload
from tests.service.datasets.staging.writing import WRITINGS, as_csv
from tests.support.emulator import start_emulator

ROWS = [
    {
        "text": f"tweet {number * 7919 % 1009} on {number}",
        "sentiment": ("positive", "neutral")[number % 2],
    }
    for number in range(600)
]
SPEC = {
    "preset": "sentiment",
    "train_sizes": [10, 100],
    "test_size": 30,
    "validation_size": 10,
}
SUFFIXES = {
    "jsonl": "jsonl",
    "gzip": "jsonl.gz",
    "zstd": "jsonl.zst",
    "csv with semicolons": "csv",
    "csv in Windows-1252": "csv",
    "tsv": "tsv",
    "json": "json",
    "parquet": "parquet",
}


def test_one_dataset_comes_of_uploads_and_of_cloud_storage_in_every_format(
    sessions: Sessions,
    store: CountingStore,
    project_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uploads = [as_csv(ROWS), gzip.compress(as_csv(ROWS, delimiter=";"))]
    sources = [
        {"type": "file", "file_id": upload(data, sessions, store, project_id)} for data in uploads
    ]
    with start_emulator() as emulator:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        theirs = GcsStore("theirs", "", project="p")
        for number, (writing, suffix) in enumerate(SUFFIXES.items()):
            (tmp_path / "sent").write_bytes(WRITINGS[writing][1](ROWS))
            name = f"rows-{number}.{suffix}"
            theirs.put_file(name, tmp_path / "sent", content_type="application/octet-stream")
            sources.append({"type": "gs", "uri": f"gs://theirs/{name}"})

        made = [go(reserve(sessions, project_id, source=each, **SPEC), store) for each in sources]

    rows = [get_dataset(each, project_id=project_id, sessions=sessions) for each in made]
    assert len({row.fingerprint for row in rows}) == 1
    assert len({row.examples_key for row in rows}) == 1
    assert {row.report["source_rows"] for row in rows} == {600}


def test_rows_in_another_order_make_the_same_dataset(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    file_id = upload(as_csv(ROWS), sessions, store, project_id)
    shuffled_id = upload(as_csv(ROWS[::-1]), sessions, store, project_id)

    first, second = (
        get_dataset(
            go(
                reserve(sessions, project_id, source={"type": "file", "file_id": each}, **SPEC),
                store,
            ),
            project_id=project_id,
            sessions=sessions,
        )
        for each in (file_id, shuffled_id)
    )

    assert first.fingerprint == second.fingerprint
    assert first.training_files == second.training_files


def test_a_broken_file_uploads_nothing_and_is_wholly_reported(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    lines = as_csv(ROWS).split(b"\r\n")
    lines[5] += b",more"
    lines[9] = lines[9].replace(b"neutral", b"5 stars").replace(b"positive", b"5 stars")
    lines[12] = b'"x"y,neutral'
    file_id = upload(b"\r\n".join(lines), sessions, store, project_id)
    stored = len(store.created)
    run = reserve(sessions, project_id, source={"type": "file", "file_id": file_id}, **SPEC)

    with pytest.raises(Invalid) as raised:
        go(run, store)

    assert [(fault.pointer, fault.code) for fault in raised.value.faults] == [
        ("row 5", "ragged_row"),
        ("row 9", "unknown_label"),
        ("row 12", "invalid_csv_row"),
    ]
    assert len(store.created) == stored
