"""CSV and TSV as exported: stray quotes, long cells, old line ends, Excel's first line."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.datasets.formats.options import FormatOptions
from service.errors import Invalid
from tests.service.datasets.ingestion.files import SMALL, faults_of, fields_of, staged

LONG = replace(SMALL, row_bytes=1 << 20)


def rows_of(delimiter: str, *, opening: int, closing: int, count: int = 9) -> bytes:
    """Return rows of which one text begins with a quote and a later one ends with one."""
    lines = [f"text{delimiter}mood"]
    for number in range(1, count + 1):
        text = f"boat {number} came back"
        text = f'"{text}' if number == opening else text
        text = f'{text}"' if number == closing else text
        lines.append(f"{text}{delimiter}{('glad', 'sad')[number % 2]}")
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize(("name", "delimiter"), [("tsv", "\t"), ("csv", ","), ("csv", ";")])
@pytest.mark.parametrize(("opening", "closing"), [(3, 7), (3, 4), (1, 9)])
def test_a_stray_quote_that_joins_rows_is_one_fault_at_its_row(
    name: str, delimiter: str, opening: int, closing: int, tmp_path: Path
) -> None:
    data = (
        rows_of(delimiter, opening=opening, closing=closing)
        + f"bad{delimiter}x{delimiter}\n".encode()
    )

    rows = staged(data, name, tmp_path)

    assert faults_of(rows) == [(opening, "swallowed_rows", ""), (10, "ragged_row", "")]
    assert rows.rows == 9 - (closing - opening + 1)
    assert "`quoting: false`" in rows.faults[0].message


def test_without_quoting_the_same_rows_are_all_read(tmp_path: Path) -> None:
    rows = staged(rows_of("\t", opening=3, closing=7), "tsv", tmp_path, quoting=False)

    assert (rows.rows, rows.faults) == (9, ())


@pytest.mark.parametrize(
    "cell",
    [
        "Dear all,\nthe boat, at last, is back",
        "First, it sank\nthen, it rose",
        "We paid 1,000\nand then 2,000 more",
        "tight,comma\nin,both",
        "one line\n\nanother",
    ],
)
def test_a_text_of_several_lines_is_one_cell(cell: str, tmp_path: Path) -> None:
    data = f'text,mood\nfine,glad\n"{cell}",glad\nbad,sad\n'.encode()

    rows = staged(data, "csv", tmp_path)

    assert rows.faults == ()
    assert fields_of(rows)[1]["text"] == cell


@pytest.mark.parametrize("cell", ["x" * 140_000, '"' + "many words\n" * 13_000 + '"'])
def test_a_long_cell_is_one_fault_that_names_the_setting(cell: str, tmp_path: Path) -> None:
    data = f"text,mood\nfine,glad\n{cell},glad\nbad,sad\nworse\n".encode()

    rows = staged(data, "csv", tmp_path, limits=LONG)

    assert faults_of(rows) == [(2, "cell_too_long", "text"), (4, "ragged_row", "")]
    assert "131072" in rows.faults[0].message
    assert "TUNECURVE_CELL_CHARACTERS_LIMIT" in rows.faults[0].message


@pytest.mark.parametrize(("limit", "rows"), [(1000, 2), (200_000, 3)])
def test_the_limit_of_a_cell_is_heeded(limit: int, rows: int, tmp_path: Path) -> None:
    data = f"text,mood\nfine,glad\n{'x' * 140_000},glad\nbad,sad\n".encode()

    assert staged(data, "csv", tmp_path, limits=replace(LONG, cell_characters=limit)).rows == rows


def test_lines_that_end_in_a_carriage_return_alone_are_read(tmp_path: Path) -> None:
    rows = staged(b"text,mood\rfine,glad\rbad,sad\r", "csv", tmp_path)

    assert fields_of(rows) == [{"text": "fine", "mood": "glad"}, {"text": "bad", "mood": "sad"}]


def test_a_lone_carriage_return_in_a_cell_is_said_to_be_one(tmp_path: Path) -> None:
    rows = staged(b"text,mood\nfine,glad\nbo\rat,sad\nbad,sad\n", "csv", tmp_path)

    assert faults_of(rows) == [(2, "invalid_csv_row", "")]
    assert "carriage return" in rows.faults[0].message


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_excels_first_line_names_the_delimiter(first: str, tmp_path: Path) -> None:
    data = f"{first}text;mood\nfine, they say;glad\n".encode()

    assert fields_of(staged(data, "csv", tmp_path)) == [{"text": "fine, they say", "mood": "glad"}]


def test_a_header_that_cannot_be_read_is_not_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as raised:
        staged(b'"te"xt,mood\nfine,glad\n', "csv", tmp_path)

    assert raised.value.code == "invalid_header"


def test_a_column_named_twice_is_named_by_its_places_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as raised:
        staged(b"text,Ann Smith,mood,Ann Smith\nfine,a,glad,b\n", "csv", tmp_path)

    assert "at 2, 4" in raised.value.message
    assert "Ann" not in raised.value.message


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_the_header_of_a_joined_file_is_a_fault_and_its_rows_are_read(
    mark: str, quote: str, tmp_path: Path
) -> None:
    part = f"{mark}{quote}text{quote},{quote}mood{quote}\nfine,glad\nbad,sad\n"

    rows = staged((part + part).encode(), "csv", tmp_path)

    assert faults_of(rows) == [(3, "repeated_header", "")]
    assert [each["text"] for each in fields_of(rows)] == ["fine", "bad"] * 2


def test_a_quote_that_is_never_closed_names_its_row(tmp_path: Path) -> None:
    lines = ["text,mood", "fine,glad", '"never closed,sad', *["more words,sad"] * 9000]

    with pytest.raises(Invalid) as raised:
        staged("\n".join(lines).encode(), "csv", tmp_path)

    assert [(f.pointer, f.code) for f in raised.value.faults] == [("row 2", "row_too_long")]


def test_lines_that_end_in_two_carriage_returns_are_read(tmp_path: Path) -> None:
    rows = staged(b"text,mood\r\r\nfine,glad\r\r\nbad,sad\r\r\n", "csv", tmp_path)

    assert fields_of(rows) == [{"text": "fine", "mood": "glad"}, {"text": "bad", "mood": "sad"}]


def test_a_first_line_that_names_the_delimiter_is_no_row_where_columns_are_named(
    tmp_path: Path,
) -> None:
    rows = staged(b"sep=;\na;b\nc;d\n", "csv", tmp_path, columns=("note", "mood"))

    assert fields_of(rows) == [{"note": "a", "mood": "b"}, {"note": "c", "mood": "d"}]


def test_a_name_that_is_given_to_two_columns_is_refused() -> None:
    with pytest.raises(ValidationError, match="named twice"):
        FormatOptions(columns=("note", "note"))
