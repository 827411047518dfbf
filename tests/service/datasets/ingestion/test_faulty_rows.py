"""Every bad row of a file is named in one pass, and the good ones are staged."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.datasets.row_faults import FAULTS_KEPT
from service.errors import Invalid
from tests.service.datasets.ingestion.files import (
    SMALL,
    as_parquet,
    faults_of,
    fields_of,
    staged,
)

GOOD = '{"a": "x", "b": "y"}'


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (b"{", "invalid_json_row", ""),
        (b"[1]", "invalid_json_row", ""),
        (b"null", "invalid_json_row", ""),
        (b"{'a': 1}", "invalid_json_row", ""),
        (GOOD.encode() * 2, "invalid_json_row", ""),
        (b"\x00\x01", "invalid_json_row", ""),
        (b'{"a": "\xe9"}', "wrong_encoding", ""),
        ('{"a": "é'.encode()[:-1], "wrong_encoding", ""),
        (b'{"a": "\\ud83d"}', "invalid_unicode", "a"),
        (b'{"\\ud83d": "x"}', "invalid_unicode", "?"),
        (b'{"a": NaN}', "invalid_number", "a"),
        (b'{"a": -Infinity}', "invalid_number", "a"),
        (b'{"a": [1e999]}', "invalid_number", "a"),
        (b'{"a": "x", "a": "y"}', "duplicate_key", ""),
        (b'{"a": {"k": 1, "k": 2}}', "duplicate_key", ""),
        (b'{"a": ' + b"[" * 80 + b"]" * 80 + b"}", "too_deep", "a"),
        (b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "invalid_json_row", ""),
        (b'{"a": ' + b"9" * 5000 + b"}", "invalid_number", "a"),
        (b'{"a": "' + b"x" * SMALL.row_bytes + b'"}', "line_too_long", ""),
    ],
)
@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_a_bad_line_is_named_and_its_neighbours_are_staged(
    line: bytes, code: str, field: str, chunk: int, tmp_path: Path
) -> None:
    data = b"\n".join([GOOD.encode(), line, b"", GOOD.encode()])

    rows = staged(data, "jsonl", tmp_path, chunk=chunk)

    assert faults_of(rows) == [(2, code, field)]
    assert (rows.rows, rows.source_rows) == (2, 3)
    assert fields_of(rows) == [{"a": "x", "b": "y"}] * 2


def test_a_long_line_among_millions_of_bytes_is_passed_over(tmp_path: Path) -> None:
    data = b"\n".join([GOOD.encode(), b"x" * (6 << 20), GOOD.encode(), b"{", GOOD.encode()])

    rows = staged(data, "jsonl", tmp_path)

    assert faults_of(rows) == [(2, "line_too_long", ""), (4, "invalid_json_row", "")]
    assert rows.rows == 3


def test_faults_are_counted_beyond_those_that_are_kept(tmp_path: Path) -> None:
    rows = staged(b"bad\n" * 5000 + GOOD.encode(), "jsonl", tmp_path)

    assert len(rows.faults) == FAULTS_KEPT
    assert rows.fault_counts == {"invalid_json_row": 5000}
    assert (rows.rows, rows.source_rows) == (1, 5001)


def test_no_message_repeats_what_a_row_holds(tmp_path: Path) -> None:
    secret = "Ann-Smith-555"
    lines = [f'{{"{secret}": [{secret}', f'"{secret}"', f'{{"a": "{secret}\\ud83d"}}']

    rows = staged("\n".join(lines).encode(), "jsonl", tmp_path)

    assert len(rows.faults) == 3
    assert not any(secret in fault.message for fault in rows.faults)
    assert all(len(fault.message) > 20 for fault in rows.faults)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a,b\n1,2\n3\n4,5,6\n7,8\n", [(2, "ragged_row", ""), (3, "ragged_row", "")]),
        ('a,b\n1,2\n"x"y,2\n3,4\n', [(2, "invalid_csv_row", "")]),
        (f"a,b\n{'x' * 50_000},{'y' * 50_000}\n1,2\n", "row_too_long"),
        ('a,b\n1,2\n"' + "x\n" * 40_000 + '",1\n', "row_too_long"),
        ('a,b\n1,"never closed\n2,3\n', [(1, "invalid_csv_row", "")]),
    ],
)
def test_bad_records_of_csv_are_named(
    text: str, faults: list[tuple[int, str, str]] | str, tmp_path: Path
) -> None:
    if isinstance(faults, str):
        with pytest.raises(Invalid) as raised:
            staged(text.encode(), "csv", tmp_path)
        assert raised.value.code == faults
        assert list(tmp_path.iterdir()) == []
        return

    assert faults_of(staged(text.encode(), "csv", tmp_path)) == faults


def test_a_damaged_byte_in_a_utf_8_file_is_named_and_not_taken_for_latin_1(tmp_path: Path) -> None:
    data = "text,label\nGrüße,é\nAé,b\nüü,c\n".encode().replace("Aé".encode(), b"A\xc3")

    rows = staged(data, "csv", tmp_path)

    assert faults_of(rows) == [(2, "wrong_encoding", "text")]
    assert fields_of(rows) == [{"text": "Grüße", "label": "é"}, {"text": "üü", "label": "c"}]


def test_latin_1_is_found_late_in_a_file(tmp_path: Path) -> None:
    data = b"text,label\n" + b"plain,ham\n" * 50_000 + b"\xa32 f\xfcr,spam\n"

    rows = staged(data, "csv", tmp_path)

    assert rows.faults == ()
    assert fields_of(rows)[-1] == {"text": "£2 für", "label": "spam"}


def test_an_encoding_a_delimiter_and_names_of_columns_may_be_given(tmp_path: Path) -> None:
    data = b'one|\xa41\ntw"o|2\n'

    rows = staged(
        data,
        "csv",
        tmp_path,
        encoding="latin-1",
        delimiter="|",
        columns=("text", "label"),
        quoting=False,
    )

    assert fields_of(rows) == [{"text": "one", "label": "¤1"}, {"text": 'tw"o', "label": "2"}]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a;b\n1,5;x\n2,5;y\n", {"a": "1,5", "b": "x"}),
        ("a\tb\n1, 2, 3\tx\n", {"a": "1, 2, 3", "b": "x"}),
        ("a|b|c\n1,|2;|3\n", {"a": "1,", "b": "2;", "c": "3"}),
        ('a,b\n"x;y;z",1\n', {"a": "x;y;z", "b": "1"}),
        ("text\nhello, world\nbye\n", None),
    ],
)
def test_the_delimiter_is_found(text: str, fields: dict[str, str] | None, tmp_path: Path) -> None:
    rows = staged(text.encode(), "csv", tmp_path)

    if fields is None:  # one column: the comma in its text is what it looks like
        assert faults_of(rows) == [(1, "ragged_row", "")]
    else:
        assert fields_of(rows)[0] == fields


def test_rows_of_a_list_are_named_by_their_place(tmp_path: Path) -> None:
    values = [{"a": "x"}, 5, {"a": "y"}, [{"a": "z"}], {"a": {"b": 1}}]

    rows = staged(json.dumps(values).encode(), "json", tmp_path)

    assert faults_of(rows) == [(2, "invalid_json_row", ""), (4, "invalid_json_row", "")]
    assert (rows.rows, rows.nested) == (3, ("a",))


def test_strings_of_parquet_that_are_no_text_are_named(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(),
        3,
        [
            None,
            pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])),
            pa.py_buffer(b"a\xffb"),
        ],
    )
    sink = pa.BufferOutputStream()
    table = pa.table({"a": bad, "n": [0.5, 1.5, float("nan")], "skipped": [b"\0"] * 3})
    parquet.write_table(table, sink)

    rows = staged(sink.getvalue().to_pybytes(), "parquet", tmp_path)

    assert faults_of(rows) == [(2, "wrong_encoding", "a"), (3, "invalid_number", "n")]
    assert fields_of(rows) == [{"a": "a", "n": "0.5"}]
    assert rows.columns == ("a", "n")


def test_a_cell_of_parquet_longer_than_a_row_is_named(tmp_path: Path) -> None:
    data = as_parquet([{"a": "x"}, {"a": "y" * (SMALL.row_bytes + 1)}])

    rows = staged(data, "parquet", tmp_path)

    assert faults_of(rows) == [(2, "row_too_long", "a")]
    assert rows.rows == 1


def test_marks_of_files_that_were_joined_are_passed_over(tmp_path: Path) -> None:
    data = b"".join(b"\xef\xbb\xbf" + GOOD.encode() + b"\n" + GOOD.encode() + b"\n" for _ in "ab")

    rows = staged(data, "jsonl", tmp_path)

    assert (rows.rows, rows.faults) == (4, ())


def test_times_that_python_cannot_hold_end_no_job(tmp_path: Path) -> None:
    table = pa.table(
        {
            "a": ["x"],
            "at": pa.array([1_700_000_000_000_000_007], pa.timestamp("ns")),
            "until": pa.array([253_402_300_800_000_001], pa.timestamp("us")),
            "took": pa.array([1_500_000_001], pa.duration("ns")),
        }
    )
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)

    rows = staged(sink.getvalue().to_pybytes(), "parquet", tmp_path)

    assert (rows.rows, rows.faults) == (1, ())
    assert fields_of(rows)[0]["at"] == "2023-11-14T22:13:20"
    assert fields_of(rows)[0]["until"].startswith("10000-01-01")


def test_a_column_of_parquet_named_twice_is_said_to_be(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["x"])] * 3, names=["a", "b", "b"])
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)

    with pytest.raises(Invalid) as raised:
        staged(sink.getvalue().to_pybytes(), "parquet", tmp_path)

    assert raised.value.code == "duplicate_column"
