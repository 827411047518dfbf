"""Columns that are not used end no job, whatever they hold; those that are used are checked."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.errors import Invalid
from tests.service.datasets.ingestion.files import SMALL, faults_of, fields_of, staged

NEEDED = ("mood", "text")
SOUND = [{"text": "calm sea", "mood": "glad"}, {"text": "high waves", "mood": "sad"}]
NAN = float("nan")


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def parquet_with(column: Any, name: str = "other") -> bytes:
    return as_parquet(
        pa.table({"text": ["calm sea", "high waves"], name: column, "mood": list("ab")})
    )


@pytest.mark.parametrize(
    "other",
    [
        '"knots": NaN',
        '"knots": [1, {"a": -Infinity}]',
        '"tags": {"a": 1, "a": 2}',
        '"a": 1, "a": 2',
        '"deep": ' + "[" * 70 + "]" * 70,
        '"half": "\\ud83d"',
        '"\\ud83d": "half"',
        '"": NaN',
    ],
)
def test_an_unused_member_of_json_lines_is_no_fault(other: str, tmp_path: Path) -> None:
    lines = [json.dumps(each)[:-1] + f", {other}}}" for each in SOUND]

    rows = staged("\n".join(lines).encode(), "jsonl", tmp_path, needed=NEEDED)

    assert rows.faults == ()
    assert fields_of(rows) == SOUND


@pytest.mark.parametrize(
    ("header", "cells"),
    [("note,note", "x,y"), ("long", "z" * 140_000), ('"ten words in a row are no name"', "x")],
)
def test_an_unused_column_of_csv_is_no_fault(header: str, cells: str, tmp_path: Path) -> None:
    lines = [f"text,{header},mood", *(f"{r['text']},{cells},{r['mood']}" for r in SOUND)]
    limits = replace(SMALL, row_bytes=1 << 20)

    rows = staged("\n".join(lines).encode(), "csv", tmp_path, limits=limits, needed=NEEDED)

    assert rows.faults == ()
    assert fields_of(rows) == SOUND


def test_unused_columns_of_parquet_are_not_read(tmp_path: Path) -> None:
    """A fault would name its column; bytes inside lists and objects would be refused by name."""
    unused = {
        "no numbers": [NAN, NAN],
        "one number": [0.5, NAN],
        "times": pa.array([1_700_000_000_000_000_001, 5], pa.timestamp("ns")),
        "lists": pa.array([[1.0, NAN], None], pa.list_(pa.float64())),
        "bytes": pa.array([b"\xff\x00", b"x"]),
        "images": pa.array([{"bytes": b"\xff", "path": "a.png"}, None]),
        "durations": pa.array([1 << 62, 7], pa.duration("s")),
    }
    used = {"text": ["calm sea", "high waves"], "mood": list("ab")}

    rows = staged(as_parquet(pa.table(unused | used)), "parquet", tmp_path, needed=NEEDED)

    assert rows.faults == ()
    assert fields_of(rows) == [
        {"text": "calm sea", "mood": "a"},
        {"text": "high waves", "mood": "b"},
    ]
    assert rows.columns == (*unused, *used)


def test_the_same_faults_in_columns_that_are_used_are_named(tmp_path: Path) -> None:
    data = b'{"text": "a", "mood": NaN}\n{"text": "b", "mood": 1}\n{"text": {"a": 1, "a": 2}}\n'

    rows = staged(data, "jsonl", tmp_path, needed=NEEDED)

    assert faults_of(rows) == [(1, "invalid_number", "mood"), (3, "duplicate_key", "")]


@pytest.mark.parametrize("moods", [[NAN, NAN], [0.5, NAN]])
def test_a_batch_of_bad_rows_alone_is_read_to_its_end(
    moods: Sequence[float], tmp_path: Path
) -> None:
    data = as_parquet(pa.table({"text": ["a", "b"], "mood": moods}))

    rows = staged(data, "parquet", tmp_path, needed=NEEDED)

    bad = [number for number, mood in enumerate(moods, start=1) if mood != mood]  # noqa: PLR0124  NaN
    assert faults_of(rows) == [(number, "invalid_number", "mood") for number in bad]


def test_texts_that_are_stored_as_bytes_are_read(tmp_path: Path) -> None:
    """Each row but the first has one column that is no text."""
    kinds = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)]
    columns = {}
    for place, kind in enumerate(kinds):
        cells = ["\u00e9t".encode()] * 5
        cells[place + 1] = b"\xff\xff\xff"
        columns[str(kind)] = pa.array(cells, pa.binary()).cast(kind)

    rows = staged(as_parquet(pa.table(columns)), "parquet", tmp_path, needed=columns)

    wrong = [(place, "wrong_encoding", name) for place, name in enumerate(columns, start=2)]
    assert faults_of(rows) == wrong
    assert fields_of(rows) == [dict.fromkeys(columns, "\u00e9t")]


def test_a_used_column_of_images_is_said_to_be_one(tmp_path: Path) -> None:
    data = parquet_with(pa.array([{"bytes": b"\xff"}] * 2), "photo")

    with pytest.raises(Invalid, match="'photo' holds bytes") as raised:
        staged(data, "parquet", tmp_path, needed=["photo"])

    assert raised.value.code == "unsupported_column"


def test_a_column_whose_name_begins_like_a_used_one_is_not_taken_for_it(tmp_path: Path) -> None:
    data = parquet_with([NAN, NAN], "text.score")

    rows = staged(data, "parquet", tmp_path, needed=NEEDED)

    assert [sorted(each) for each in fields_of(rows)] == [["mood", "text"]] * 2


def test_any_number_of_unused_columns_is_borne(tmp_path: Path) -> None:
    lines = [json.dumps(SOUND[0] | {f"only_{n}": n, "x" * (n + 150): n}) for n in range(1200)]

    rows = staged("\n".join(lines).encode(), "jsonl", tmp_path, needed=NEEDED)

    assert (rows.rows, rows.faults, len(rows.columns)) == (1200, (), SMALL.columns)


def test_a_used_column_named_twice_is_refused_by_its_places(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=re.escape("at 1, 3")) as raised:
        staged(b"text,mood,text\na,b,c\n", "csv", tmp_path, needed=NEEDED)

    assert raised.value.code == "duplicate_column"


def test_a_column_called_row_is_read_by_the_name_it_is_kept_under(tmp_path: Path) -> None:
    rows = staged(b"row,mood,note\na,glad,x\n", "csv", tmp_path, needed=["row_", "mood"])

    assert fields_of(rows) == [{"row_": "a", "mood": "glad"}]
    assert rows.columns == ("row_", "mood", "note")


def test_a_map_of_parquet_is_an_object_and_a_key_named_twice_a_fault(tmp_path: Path) -> None:
    maps = [[("sail", "main")], [("a", "x"), ("a", "y")], None]
    column = pa.array(maps, pa.map_(pa.string(), pa.string()))
    table = pa.table(
        {"target": column, "nested": pa.array([[m] for m in maps], pa.list_(column.type))}
    )

    rows = staged(as_parquet(table), "parquet", tmp_path)

    assert faults_of(rows) == [(2, "duplicate_key", "target")]
    assert [json.loads(each["nested"]) for each in fields_of(rows)] == [[{"sail": "main"}], [None]]
    assert fields_of(rows)[0]["target"] == '{"sail": "main"}'


@pytest.mark.parametrize(
    ("name", "options", "option"),
    [
        ("jsonl", {"delimiter": ";"}, "delimiter"),
        ("jsonl", {"columns": ["a"]}, "columns"),
        ("json", {"quoting": False}, "quoting"),
        ("parquet", {"encoding": "cp1252"}, "encoding"),
        ("csv", {"encoding": "utf-8"}, "encoding"),
    ],
)
def test_an_option_that_a_format_does_not_have_is_refused(
    name: str, options: dict[str, Any], option: str, tmp_path: Path
) -> None:
    parquet_bytes = as_parquet(pa.table({"a": ["x"]}))
    data = parquet_bytes if name in {"parquet", "csv"} else b'[{"a": "x"}]'

    with pytest.raises(Invalid, match=f"`{option}` does not go with") as raised:
        staged(data, name, tmp_path, **options)

    assert raised.value.faults[0].pointer == f"/spec/source/format/{option}"


def test_options_at_their_defaults_go_with_every_format(tmp_path: Path) -> None:
    rows = staged(b'{"a": "x"}', "jsonl", tmp_path, quoting=True, delimiter=None, encoding="utf-8")

    assert rows.rows == 1
