"""How data is printed."""

import json
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


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    columns: dict[str, Column] = {"NAME": lambda row: row["name"], "ROWS": lambda row: row["rows"]}
    rows: list[dict[str, Any]] = [{"name": "zero-shot", "rows": 200}, {"name": "t", "rows": None}]
    assert render_table(columns, rows).splitlines() == [
        "NAME       ROWS",
        "zero-shot   200",
        "t             -",
    ]


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
