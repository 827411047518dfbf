"""Tables by a process of their own: the same rows and bytes, and nothing of it stays behind."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil
import pytest

from service.errors import Unavailable
from service.jobs.ports import JobCancelled
from service.storage.table_subprocess import read_range_in_subprocess, write_parquet_in_subprocess
from service.storage.tables import Range, TableSchema, write_parquet

SCHEMA = TableSchema(
    columns={
        "split": "string",
        "position": "int64",
        "text": "string",
        "references": "strings",
        "made_at": "timestamp",
    },
    version=2,
)
TRAIN = Range("split", "train", order="position")


def rows(split: str, count: int, **changes: Any) -> list[dict[str, Any]]:
    made_at = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
    return [
        {
            "split": split,
            "position": position,
            "text": f"Grüße 😀\n {position}",
            "references": ["a", ""],
            "made_at": made_at,
        }
        | changes
        for position in range(count)
    ]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table"
    write_parquet([*rows("test", 700), *rows("train", 2600)], path, schema=SCHEMA)
    return path


def read(path: Path, wanted: Range) -> list[dict[str, Any]]:
    with path.open("rb") as stream:
        return list(read_range_in_subprocess(stream, wanted))


def positions(path: Path, wanted: Range) -> list[int]:
    return [row["position"] for row in read(path, wanted)]


def table_processes() -> list[psutil.Process]:
    """Return those of our children that live and read or write a table."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.ZombieProcess):
            if "service.storage.table_subprocess" in child.cmdline():
                found.append(child)
    return found


def test_a_process_writes_the_same_bytes(tmp_path: Path) -> None:
    some = rows("train", 1700) + rows("train", 1, text="", references=[], made_at=None)
    write_parquet(some, tmp_path / "here", schema=SCHEMA, metadata={"preset": "pii"})

    write_parquet_in_subprocess(some, tmp_path / "apart", schema=SCHEMA, metadata={"preset": "pii"})

    assert (tmp_path / "apart").read_bytes() == (tmp_path / "here").read_bytes()


def test_rows_come_back_with_their_texts_and_empty_values(tmp_path: Path) -> None:
    (row,) = rows("train", 1, text='"\0\u2028', references=[], made_at=None)
    write_parquet([row], tmp_path / "table", schema=SCHEMA)

    assert read(tmp_path / "table", TRAIN) == [row]


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, None), (0, 0), (0, 1), (3, 9), (249, 251), (700, 2100), (2599, 9999), (2600, None)],
)
def test_a_range_holds_its_rows_and_no_others(first: int, last: int | None, table: Path) -> None:
    wanted = replace(TRAIN, first=first, last=last)
    assert positions(table, wanted) == list(range(2600))[first:last]


def test_another_value_has_rows_of_its_own_or_none(table: Path) -> None:
    assert positions(table, replace(TRAIN, value="test", first=650)) == list(range(650, 700))
    assert positions(table, replace(TRAIN, value="validation")) == []


@pytest.fixture
def large_table(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    many = [row | {"text": token_hex(200)} for row in rows("train", 2600)]
    write_parquet(many, path, schema=SCHEMA)
    return path


def test_who_has_enough_ends_the_process(large_table: Path) -> None:
    with large_table.open("rb") as stream:
        some = read_range_in_subprocess(stream, TRAIN)
        assert next(some)["position"] == 0
        (process,) = table_processes()
        some.close()  # type: ignore[attr-defined]  # a generator is more than an iterator

    assert not process.is_running()


def test_a_damaged_table_is_no_short_one(table: Path) -> None:
    content = table.read_bytes()
    half = len(content) // 2
    table.write_bytes(content[: half - 1000] + bytes(2000) + content[half + 1000 :])

    with pytest.raises(Unavailable) as raised:
        read(table, TRAIN)
    assert raised.value.code == "table_process_failed"


def test_what_ends_the_rows_ends_the_writing_as_itself(tmp_path: Path) -> None:
    def ending() -> Iterator[dict[str, Any]]:
        yield from rows("train", 3000)
        raise JobCancelled

    with pytest.raises(JobCancelled):
        write_parquet_in_subprocess(ending(), tmp_path / "table", schema=SCHEMA)
    assert not table_processes()


def test_a_process_that_cannot_write_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        write_parquet_in_subprocess(rows("train", 20_000), tmp_path / "no" / "table", schema=SCHEMA)
