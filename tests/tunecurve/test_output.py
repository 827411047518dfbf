"""How data is printed."""

import io
import json
import sys
from typing import Any

import pytest

from tunecurve.output import (
    Column,
    OutputFormat,
    interval_text,
    print_json,
    print_message,
    print_object,
    render_table,
    score_text,
)
from tunecurve.tables import TextColumn, table_lines


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    columns: dict[str, Column] = {"NAME": lambda row: row["name"], "ROWS": lambda row: row["rows"]}
    rows: list[dict[str, Any]] = [{"name": "zero-shot", "rows": 200}, {"name": "t", "rows": None}]
    assert render_table(columns, rows).splitlines() == [
        "NAME       ROWS",
        "zero-shot   200",
        "t             -",
    ]


JOB = f"job_{1:026d}"
JOBS: dict[str, list[str]] = {
    "ID": [JOB, JOB],
    "KIND": ["experiment", "evaluate"],
    "EMPTY": ["", "-"],
    "STATE": ["waiting (children)", "running: asking"],
    "PROGRESS": ["2/9 jobs, done about 14:05 UTC", "40/200 items"],
    "COST": ["0.12 of 5.00 USD SYNTHETIC", "0.01 USD"],
    "CREATED": ["2026-11-21T08:00:00.123Z", "2026-11-21T09:00:00Z"],
}


def in_columns(cells: dict[str, list[str]]) -> list[TextColumn]:
    return [TextColumn(head, each) for head, each in cells.items()]


def test_a_table_is_as_wide_as_it_is_but_for_a_terminal() -> None:
    lines = table_lines(in_columns(JOBS), None)
    assert len(lines) == 3
    assert all(cell in lines[1] for column in JOBS.values() for cell in column[:1])


@pytest.mark.parametrize("room", [100, 80])
def test_a_table_fits_a_terminal_and_no_id_or_word_is_broken(room: int) -> None:
    lines = table_lines(in_columns(JOBS), room)
    assert max(map(len, lines)) <= room
    words = {word for column in JOBS.values() for cell in column for word in cell.split()}
    shown = {word for line in lines[1:] for word in line.split()}
    assert shown - words == ({"2026-11-21", "08:00", "09:00"} if room == 100 else set())
    assert [line.split()[0] for line in lines if JOB in line] == [JOB, JOB]
    assert "EMPTY" not in lines[0]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_narrows_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    columns: dict[str, Column] = {"ID": lambda row: row["id"], "WHY": lambda row: row["why"]}
    rows = [{"id": JOB, "why": "a reason of many words " * 9}]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert len(render_table(columns, rows).splitlines()) == 2
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert max(map(len, render_table(columns, rows).splitlines())) <= 80


def test_numbers_stay_whole_and_a_table_of_many_ids_has_a_line_for_each_value() -> None:
    wide = {**JOBS, "MODEL": [f"model_{1:026d}", f"model_{2:026d}"]}
    columns = [*in_columns(wide), TextColumn("ROWS", ["123456789", "-5"], numbers=True)]
    lines = table_lines(columns, 80)
    assert max(map(len, lines)) <= 80
    assert f"MODEL     model_{2:026d}" in lines
    assert "ROWS      123456789" in lines
    assert "CREATED   2026-11-21T08:00:00.123Z" in lines


def test_an_empty_table_is_its_heading() -> None:
    assert render_table({"ID": lambda row: row["id"]}, []) == "ID"


@pytest.mark.parametrize(
    ("score", "text"), [(None, "-"), (0.8333333, "0.8333"), (92.318, "92.32"), (1.0, "1")]
)
def test_scores_have_four_significant_digits(score: float | None, text: str) -> None:
    assert score_text(score) == text


def test_an_interval_without_an_end_is_none() -> None:
    assert interval_text(0.5, 0.75) == "[0.5, 0.75]"
    assert interval_text(None, 0.75) == "-"


def test_an_object_is_printed_without_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"object": "job", "id": "job_1", "error": None, "outputs": {"dataset": "ds_1"}}
    print_object(item, output=OutputFormat.TABLE)
    assert capsys.readouterr().out == 'id       job_1\noutputs  {"dataset": "ds_1"}\n'


def test_json_is_the_object_as_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    print_object({"object": "job", "answer": "größer"}, output=OutputFormat.JSON)
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"object": "job", "answer": "größer"}
    assert "größer" in printed


HOSTILE = "a\x1b[31mred\x1b[0m\rforged\x9b2J\u202ereversed\u2028\x00end"


def test_no_word_of_a_server_moves_the_cursor_or_forges_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns: dict[str, Column] = {"NAME": lambda row: row["name"]}
    row = {"name": f"{HOSTILE}\nforged row", "more": [HOSTILE]}

    print(render_table(columns, [row]))
    print_object(row, output=OutputFormat.TABLE)
    print_json(row)
    print_message(HOSTILE)

    printed = capsys.readouterr()
    whole = printed.out + printed.err
    assert [each for each in whole if not each.isprintable() and each != "\n"] == []
    assert "\nforged" not in whole
    assert "a\\u001b[31mred" in whole
    at = printed.out.index("{")
    assert json.loads(printed.out[at:]) == row
