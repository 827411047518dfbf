"""Rows as Parquet, JSONL and CSV."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from service.jobs.ports import JobCancelled
from service.storage.tables import (
    TableSchema,
    read_parquet,
    rows_as_csv,
    rows_as_jsonl,
    write_parquet,
)
from tests.support.parquet import parquet_metadata

SCHEMA = TableSchema(
    columns={
        "name": "string",
        "references": "strings",
        "rows": "int64",
        "value": "float64",
        "synthetic": "bool",
        "made_at": "timestamp",
    },
    version=3,
)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Grüße",
        "references": ["a", "b"],
        "rows": 7,
        "value": 0.5,
        "synthetic": True,
        "made_at": datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC),
    } | changes


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [row(), row(name="", references=[], value=None, made_at=None)]

    assert write_parquet(rows, tmp_path / "t", schema=SCHEMA) == 2

    assert list(read_parquet(tmp_path / "t")) == rows
    assert list(read_parquet(tmp_path / "t", columns=["rows"])) == [{"rows": 7}] * 2


def test_times_are_kept_in_utc(tmp_path: Path) -> None:
    made_at = datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=1)))

    write_parquet([row(made_at=made_at)], tmp_path / "t", schema=SCHEMA)

    (read,) = read_parquet(tmp_path / "t")
    assert read["made_at"] == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert read["made_at"].utcoffset() == timedelta(0)


def test_the_file_tells_its_schema_version(tmp_path: Path) -> None:
    write_parquet([], tmp_path / "t", schema=SCHEMA, metadata={"preset": "pii"})

    assert parquet_metadata(tmp_path / "t") == {"preset": "pii", "schema_version": "3"}


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    metadata = {"preset": "pii", "fingerprint": "1", "made_of": "2", "synthetic": "yes"}
    for name in "abcdefgh":
        rows = (row(rows=number) for number in range(3000))
        write_parquet(rows, tmp_path / name, schema=SCHEMA, metadata=metadata)

    assert len({(tmp_path / name).read_bytes() for name in "abcdefgh"}) == 1


def test_any_reader_of_parquet_finds_types_rows_and_metadata(tmp_path: Path) -> None:
    write_parquet([row()], tmp_path / "t", schema=SCHEMA, metadata={"preset": "pii"})

    table = parquet.read_table(tmp_path / "t")
    assert [str(field.type) for field in table.schema] == [
        "string", "list<item: string>", "int64", "double", "bool", "timestamp[us, tz=UTC]",
    ]  # fmt: skip
    assert table.to_pylist() == [row()]
    assert table.schema.metadata == {b"preset": b"pii", b"schema_version": b"3"}
    own = parquet.read_metadata(tmp_path / "t").metadata
    assert own[b"schema_version"] == b"3"


def test_what_ends_the_rows_ends_the_writing_as_itself(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from [row()] * 1500
        raise JobCancelled

    with pytest.raises(JobCancelled):
        write_parquet(rows(), tmp_path / "t", schema=SCHEMA)


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_parquet([row(rows="seven")], tmp_path / "t", schema=SCHEMA)


def test_a_column_not_in_snake_case_is_refused() -> None:
    with pytest.raises(ValueError, match="snake_case"):
        TableSchema(columns={"trainSize": "int64"})


def test_jsonl_holds_one_object_a_line() -> None:
    lines = list(rows_as_jsonl([row(name="two\nlines")]))

    assert len(lines) == 1
    assert lines[0].endswith(b"\n")
    assert json.loads(lines[0])["name"] == "two\nlines"
    assert json.loads(lines[0])["made_at"] == "2026-11-21T08:00:00.123456Z"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "＠"])  # noqa: RUF001
def test_csv_disarms_what_a_spreadsheet_would_compute(start: str) -> None:
    text = b"".join(rows_as_csv([row(name=f"{start}1+1", rows=-5)], columns=["name", "rows"]))

    header, cells = csv.reader(io.StringIO(text.decode(), newline=""))
    assert header == ["name", "rows"]
    assert cells == [f"'{start}1+1", "-5"]


def test_csv_keeps_quotes_commas_and_line_ends() -> None:
    name = 'a "quoted", \r\n name'

    text = b"".join(rows_as_csv([row(name=name)], columns=["name", "references", "made_at"]))

    _, cells = csv.reader(io.StringIO(text.decode(), newline=""))
    assert cells == [name, '["a", "b"]', "2026-11-21T08:00:00.123456Z"]
    assert list(rows_as_csv([], columns=["name"])) == [b"name\r\n"]
