"""The same rows give the same hash and the same texts, whatever they were written in."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.staged_rows import stage_rows, stage_source, staged_rows
from service.datasets.sources.registry import SOURCES
from service.datasets.sources.schemas import GsSource
from service.datasets.sources.source import SourceAccess
from service.files.contents import FileLimits
from service.storage.gcs import GcsStore
from service.storage.local import LocalStore
from tests.service.datasets.ingestion.files import (
    WRITINGS,
    Records,
    as_csv,
    as_jsonl,
    as_parquet,
    fields_of,
    staged,
)
from tests.support.emulator import start_emulator
from tests.support.project_access import PROJECT, sessions_of_open_project

ROWS = [
    {
        "row": f"{number}",
        "text": f'„Grüße" {number},\tan "Ann";\nnext \\ line |',
        "label": "é" if number % 3 else "",
    }
    for number in range(2000)
]
TEN_THOUSAND = [{"text": f"text {number}", "label": f"l{number % 7}"} for number in range(10_000)]


def hash_of(rows: Records, folder: Path) -> str:
    source = (SourceRow(number, row) for number, row in enumerate(rows, start=1))
    return stage_rows(source, folder=folder).sha256


@pytest.mark.parametrize("writing", WRITINGS)
def test_every_writing_of_the_rows_has_one_hash(writing: str, tmp_path: Path) -> None:
    name, write = WRITINGS[writing]
    records = (
        ROWS
        if "1252" not in writing
        else [row | {"text": row["text"].replace("„", "“")} for row in ROWS]
    )

    rows = staged(write(records), name, tmp_path)

    assert rows.faults == ()
    assert (rows.rows, rows.source_rows, rows.columns) == (2000, 2000, ("row_", "text", "label"))
    assert fields_of(rows) == [
        {"row_": r["row"], "text": r["text"], "label": r["label"]} for r in records
    ]
    assert rows.sha256 == hash_of(records, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["staged.parquet"]


def access_to(folder: Path) -> SourceAccess:
    sessions, store = sessions_of_open_project(folder), LocalStore(folder / "own")
    return SourceAccess(PROJECT, sessions, store, FileLimits(1 << 24, 1 << 16), "p")


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    with start_emulator() as emulator:
        yield emulator.url


def test_ten_thousand_rows_have_one_hash_from_files_and_from_cloud_storage(
    emulator_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator_url)
    bucket = GcsStore("theirs", "", project="p")
    files = {
        "rows.jsonl": as_jsonl(TEN_THOUSAND),
        "rows.csv": as_csv(TEN_THOUSAND),
        "rows.tsv.gz": gzip.compress(as_csv(TEN_THOUSAND, delimiter="\t")),
        "rows.parquet": as_parquet(TEN_THOUSAND),
    }
    hashes = set()
    for name, data in files.items():
        (tmp_path / "sent").write_bytes(data)
        bucket.put_file(name, tmp_path / "sent", content_type="application/octet-stream")
        rows = stage_source(
            GsSource(type="gs", uri=f"gs://theirs/{name}"),
            access=access_to(tmp_path),
            folder=tmp_path,
        )
        assert rows.rows == 10_000
        hashes.add(rows.sha256)

    assert hashes == {hash_of(TEN_THOUSAND, tmp_path)}


def test_other_rows_another_order_and_moved_cells_have_other_hashes(tmp_path: Path) -> None:
    rows = [{"a": "xy", "b": ""}, {"a": "z", "b": "q"}]
    others = [
        rows[::-1],
        [{"a": "x", "b": "y"}, rows[1]],
        [{"a": "", "b": "xy"}, rows[1]],
        [{"a": "xyz", "b": ""}, {"a": "", "b": "q"}],
        [{"c": "xy", "b": ""}, {"c": "z", "b": "q"}],
        [*rows, {"a": "", "b": ""}],
    ]

    hashes = {hash_of(each, tmp_path) for each in [rows, *others]}

    assert len(hashes) == 7
    assert hash_of([{"b": "", "a": "xy"}, rows[1]], tmp_path) == hash_of(rows, tmp_path)


def test_numbers_and_nested_values_are_spelled_alike_in_parquet_and_json(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = [
        {"n": 5, "f": 0.1, "yes": True, "none": None, "l": ["é", {"a": 1}], "s": {"k": [1.5]}},
        {"n": -7, "f": 1e22, "yes": False, "none": None, "l": [], "s": {"k": []}},
    ]
    simple = [{**record, "l": ["é"]} for record in records]

    from_json = staged(as_jsonl(simple), "jsonl", tmp_path)
    from_parquet = staged(as_parquet(simple), "parquet", tmp_path)

    assert from_parquet.sha256 == from_json.sha256
    assert from_parquet.nested == from_json.nested == ("l", "s")
    assert fields_of(staged(as_jsonl(records), "jsonl", tmp_path))[0] == {
        "n": "5",
        "f": "0.1",
        "yes": "true",
        "none": "",
        "l": '["é", {"a": 1}]',
        "s": '{"k": [1.5]}',
    }


def test_rows_keep_their_numbers_and_late_columns_are_absent_before(tmp_path: Path) -> None:
    lines = [json.dumps({"a": f"{n}"}) for n in range(60_000)] + ["", '{"b": "late", "a": null}']

    rows = staged("\n".join(lines).encode(), "jsonl", tmp_path)

    read = list(staged_rows(rows))
    assert rows.columns == ("a", "b")
    assert (read[0].number, dict(read[0].fields)) == (1, {"a": "0"})
    assert (read[-1].number, dict(read[-1].fields)) == (60_002, {"a": "", "b": "late"})
    assert rows.sha256 == hash_of([dict(row.fields) for row in read], tmp_path)


def test_every_source_of_the_registry_can_be_opened() -> None:
    assert all(hasattr(source, "open") for source in SOURCES.values())
