"""The same rows make the same dataset, wherever they lie and whatever they are written in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.database import Sessions
from service.datasets.models import Dataset
from service.datasets.queries import get_dataset
from service.errors import Invalid
from service.storage.gcs import GcsStore
from tests.service.datasets.ingestion.files import WRITINGS, Records, as_csv
from tests.service.datasets.preparation import CountingStore, go, reserve, upload
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
# More than are written at once.
SIX_THOUSAND = [
    {
        "text": f"caf\u00e9 {number * 7919 % 6011} in street {number}",
        "sentiment": ("positive", "neutral")[number % 2],
    }
    for number in range(6000)
]
UPLOADS = {
    "jsonl": "jsonl",
    "csv": "csv",
    "csv in Windows-1252": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
    "gzip": "jsonl",
    "zstd": "jsonl",
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


@pytest.fixture
def prepared(sessions: Sessions, store: CountingStore, project_id: str) -> Callable[..., Dataset]:
    def prepare(source: dict[str, str]) -> Dataset:
        made = go(reserve(sessions, project_id, source=source, **SPEC), store)
        return get_dataset(made, project_id=project_id, sessions=sessions)

    return prepare


def object_name(key: str | None) -> str:
    """Return an object's name in its dataset's folder, which says what it holds."""
    return (key or "").rpartition("/")[2]


def object_names(dataset: Dataset) -> dict[str, str]:
    return {size: object_name(file["key"]) for size, file in dataset.training_files.items()}


on_sqlite = pytest.mark.parametrize(  # it is the rows that count
    "database_url", ["sqlite"], indirect=True
)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsStore]:
    with start_emulator() as emulator:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        yield GcsStore("theirs", "", project="p")


@on_sqlite
def test_six_thousand_rows_make_one_dataset_however_they_are_uploaded_or_stored(
    prepared: Callable[..., Dataset],
    cloud: GcsStore,
    sessions: Sessions,
    store: CountingStore,
    project_id: str,
    tmp_path: Path,
) -> None:
    ids = [
        upload(WRITINGS[writing][1](SIX_THOUSAND), sessions, store, project_id, format=form)
        for writing, form in UPLOADS.items()
    ]
    sources = [{"type": "file", "file_id": file_id} for file_id in ids]
    sources.append(sent(cloud, tmp_path, SIX_THOUSAND, writing="zstd", name="rows.jsonl.zst"))

    rows = [prepared(source) for source in sources]

    assert len({row.fingerprint for row in rows}) == 1
    assert len({object_name(row.examples_key) for row in rows}) == 1
    assert {row.report["source_rows"] for row in rows} == {6000}


@on_sqlite
def test_one_dataset_comes_of_cloud_storage_in_every_format(
    prepared: Callable[..., Dataset], cloud: GcsStore, tmp_path: Path
) -> None:
    sources = [
        sent(cloud, tmp_path, ROWS, writing=writing, name=f"rows-{number}.{suffix}")
        for number, (writing, suffix) in enumerate(SUFFIXES.items())
    ]

    rows = [prepared(source) for source in sources]

    assert len({row.fingerprint for row in rows}) == 1
    assert len({object_name(row.examples_key) for row in rows}) == 1
    assert {row.report["source_rows"] for row in rows} == {600}


def sent(
    cloud: GcsStore, folder: Path, rows: Records, *, writing: str, name: str
) -> dict[str, str]:
    """Write rows to the cloud; return them as the source of a spec."""
    (folder / "sent").write_bytes(WRITINGS[writing][1](rows))
    cloud.put_file(name, folder / "sent", content_type="application/octet-stream")
    return {"type": "gs", "uri": f"gs://theirs/{name}"}


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
    assert object_names(first) == object_names(second)


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
