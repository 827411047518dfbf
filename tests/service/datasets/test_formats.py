"""Readers: rows with their numbers, and every bad row by its number."""

import json
import tempfile
from pathlib import Path

import pytest

from service.datasets.examples import Example
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.ingestion.staged_rows import StagedRows, staged_rows
from service.datasets.publishing.export_forms import training_lines
from service.errors import Invalid
from tests.service.datasets.ingestion.files import staged


def staged_text(name: str, text: str, folder: str) -> StagedRows:
    return staged(text.encode(), name, Path(folder), limits=IngestionLimits(), chunk=5000)


def read(name: str, text: str) -> list[tuple[int, dict[str, str]]]:
    with tempfile.TemporaryDirectory() as folder:
        rows = staged_text(name, text, folder)
        assert rows.faults == ()
        return [(row.number, dict(row.fields)) for row in staged_rows(rows)]


def faults_of(name: str, text: str) -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        rows = staged_text(name, text, folder)
        return [(f"row {fault.row}", fault.code) for fault in rows.faults]


def test_jsonl_rows_are_numbered_by_line_and_values_are_text() -> None:
    text = '\ufeff{"a": "x", "n": 5, "l": ["é"], "none": null, "yes": true}\n\n  \n{"a": "y"}'

    assert read("jsonl", text) == [
        (1, {"a": "x", "n": "5", "l": '["é"]', "none": "", "yes": "true"}),
        (4, {"a": "y"}),
    ]


@pytest.mark.parametrize("line", ["{", "[1]", "5", '"text"', "{'a': 1}", "[" * 100_000])
def test_a_line_that_is_no_object_is_named(line: str) -> None:
    assert faults_of("jsonl", f'{{"a": 1}}\n{line}\n') == [("row 2", "invalid_json_row")]


def test_half_a_surrogate_pair_is_named() -> None:
    assert faults_of("jsonl", '{"a": "\\ud83d"}\n') == [("row 1", "invalid_unicode")]
    assert read("jsonl", '{"a": "\\ud83d\\ude00"}\n') == [(1, {"a": "😀"})]


def test_csv_rows_are_numbered_by_record() -> None:
    text = '\ufefftext,sentiment\r\n"two\nlines, ""quoted""",positive\r\n\r\nplain,negative\r\n'

    assert read("csv", text) == [
        (1, {"text": 'two\nlines, "quoted"', "sentiment": "positive"}),
        (2, {"text": "plain", "sentiment": "negative"}),
    ]


def test_columns_without_a_name_are_left_out() -> None:
    assert read("csv", "a,,b\n1,2,3\n") == [(1, {"a": "1", "b": "3"})]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a,b\n1,2\n3\n4,5,6\n", [("row 2", "ragged_row"), ("row 3", "ragged_row")]),
        ('a,b\n1,"never closed\n2,3\n', [("row 1", "invalid_csv_row")]),
        ('a,b\n"x"y,2\n3,4\n', [("row 1", "invalid_csv_row")]),
    ],
)
def test_bad_csv_is_named(text: str, faults: list[tuple[str, str]]) -> None:
    assert faults_of("csv", text) == faults


def test_a_cell_that_is_too_long_is_named() -> None:
    assert faults_of("csv", f"a,b\n{'x' * 200_000},2\n") == [("row 1", "cell_too_long")]


@pytest.mark.parametrize(
    ("text", "code"), [("\n\n", "missing_header"), ("a,b,a\n1,2,3\n", "duplicate_column")]
)
def test_csv_without_a_header_that_tells_columns_apart_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as raised:
        read("csv", text)

    assert raised.value.code == code


SQUAD = {
    "data": [
        {
            "title": "Warsaw",
            "paragraphs": [
                {
                    "context": "Warsaw is a city.",
                    "qas": [
                        {"id": "1", "question": "What?", "answers": [{"text": "a city"}]},
                        {"id": "2", "question": "Who?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ]
}


def test_squad_gives_a_row_for_each_question_with_all_answers() -> None:
    rows = read("json", json.dumps(SQUAD))

    place = {"title": "Warsaw", "context": "Warsaw is a city."}
    assert rows == [
        (1, {**place, "question": "What?", "answers": '["a city"]'}),
        (2, {**place, "question": "Who?", "answers": "[]"}),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_layout"),
        ('{"data": [{"title": "x", "paragraphs": [{}]}]}', "invalid_layout"),
    ],
)
def test_a_document_of_another_layout_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as raised:
        read("json", text)

    assert raised.value.code == code


def test_a_training_line_is_a_users_turn_and_the_models() -> None:
    example = Example(
        id="ex_1", text="Text: Grüße", target="[X]", references=("[X]",), group="", row=1
    )

    assert list(training_lines("Mask it.", [example])) == [
        '{"contents":[{"role":"user","parts":[{"text":"Mask it.\\n\\nText: Grüße"}]},'
        '{"role":"model","parts":[{"text":"[X]"}]}]}\n'.encode()
    ]
