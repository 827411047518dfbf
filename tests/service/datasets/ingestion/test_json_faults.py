"""What is not JSON is named by its row and its line, with what to mend, and the others are read."""

import gzip
import json
from pathlib import Path

import pytest

from service.errors import Invalid
from tests.service.datasets.ingestion.files import faults_of, fields_of, staged

GOOD = {"note": "a, [b {c", "mood": "glad"}
LINE = json.dumps(GOOD)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('{"note": "x", mood: "sad"}', "not in double quotes"),
        ("{'note': 'x'}", "not in double quotes"),
        ('{"note": "x",}', "a comma is too many"),
        ('{"note": "x" "mood": "sad"}', "a comma is missing"),
        ('{"note": "say "hi" now", "mood": "sad"}', "a quote in a text lacks its backslash"),
        ('{"note" "x"}', "a colon is missing"),
        ('{"note": "two\nlines"}', "a line end or a tab"),
        ('{"note": "C:\\dir"}', "backslash"),
        ('{"note": None}', "not JSON, such as None"),
        ('{"note": [1, {"k": ]}, "x"]}', "a value is missing"),
        ('{"note": "x"}}', "neither a comma nor the bracket"),
        ('{"note": ' + "[" * 90_000 + "]" * 90_000 + "}", "too deep"),
        ("note", "a value is missing"),
        ("", "a value is missing"),
    ],
)
def test_an_element_that_is_not_json_is_named_and_the_others_are_read(
    bad: str, said: str, tmp_path: Path
) -> None:
    data = f"[\n{LINE},\n{bad},\n{LINE},\n{{}},\n7\n]".encode()

    rows = staged(data, "json", tmp_path)

    assert faults_of(rows) == [(2, "invalid_json_row", ""), (5, "invalid_json_row", "")]
    assert said in rows.faults[0].message
    assert fields_of(rows) == [GOOD, GOOD, {}]


def test_the_line_of_an_element_is_that_of_the_file_however_far_it_lies(tmp_path: Path) -> None:
    lines = [json.dumps(GOOD | {"n": n}, indent=1) for n in range(30_000)]
    lines[29_990] = '{"note": none}'
    data = f"[{','.join(lines)}]"
    line = data[: data.index("none")].count("\n") + 1

    rows = staged(data.encode(), "json", tmp_path)

    assert [(fault.row, fault.message.split(":")[0]) for fault in rows.faults] == [
        (29_991, f"line {line}")
    ]
    assert rows.rows == 29_999


@pytest.mark.parametrize(
    ("data", "row", "code", "said"),
    [
        (f"[{LINE},{LINE},\n]", 3, "invalid_json", "line 2: a comma stands before"),
        (f"[{LINE}\n{LINE}]", 2, "invalid_json_row", "line 2: a comma is missing before"),
        (f"[{LINE},\n{LINE}", 3, "invalid_json", "line 2: the list is not closed"),
        (f"[{LINE},\n{LINE},\n", 3, "invalid_json", "line 3: the list is not closed"),
        (f"[{LINE},{LINE}]\n[{LINE}]", 3, "invalid_json", "write one list only"),
        (f'[{LINE},{{"note": "x', 2, "invalid_json_row", "the rows after it were not read"),
        (
            f'[{LINE},{{"note": "x, "mood": "y"}},{LINE},{LINE}]',
            2,
            "invalid_json_row",
            "the rows after it were not read",
        ),
    ],
)
def test_what_is_wrong_between_and_behind_elements_is_named(
    data: str, row: int, code: str, said: str, tmp_path: Path
) -> None:
    rows = staged(data.encode(), "json", tmp_path)

    assert faults_of(rows) == [(row, code, "")]
    assert said in rows.faults[0].message
    assert rows.rows >= row - 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "too deep"),
        ('[{"a": ' * 20_000, "too deep"),
        ('[{"a": "' + "x" * 2_000_000 + '"}]', "an element may have"),
    ],
)
def test_an_element_without_an_end_is_one_fault(text: str, said: str, tmp_path: Path) -> None:
    rows = staged(text.encode(), "json", tmp_path)

    assert (rows.rows, len(rows.faults)) == (0, 1)
    assert said in rows.faults[0].message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('{"rows": [{"a": 1}],\n n: 2}', "line 2: a name is not in double quotes"),
        ('{"data": [\n{"paragraphs": [{]}]}', "line 2: a name is not in double quotes"),
        ('{\n"a": 1\n}\n{\n"a": 2\n}\n', "line 4: a document follows the first"),
        ("note", "neither a bracket nor a brace"),
    ],
)
def test_a_document_that_is_not_json_names_its_line(data: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=said) as raised:
        staged(data.encode(), "json", tmp_path)

    assert raised.value.code == "invalid_json"


@pytest.mark.parametrize(
    ("data", "row", "said"),
    [
        (
            f'{{"n": 3, "tags": ["a"],\n"rows": [{LINE},\n{{bad: 1}},\n{LINE}], "x": 1}}',
            2,
            "line 3",
        ),
        (f'{{"meta": {{"a": 1}}, "rows": [{LINE}, {LINE}, ]}}', 3, "take it out"),
        (f'{{"rows": [{LINE}, {LINE}, {LINE[:-3]}', 3, "a quote is not closed"),
    ],
)
def test_a_bad_element_of_a_list_in_an_object_is_named_and_the_others_are_read(
    data: str, row: int, said: str, tmp_path: Path
) -> None:
    rows = staged(data.encode(), "json", tmp_path)

    assert [each.row for each in rows.faults] == [row]
    assert said in rows.faults[0].message
    assert fields_of(rows) == [GOOD, GOOD]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_json_lines_named_as_a_json_document_are_read(mark: str, tmp_path: Path) -> None:
    data = f"{mark}{LINE}\n{LINE}\n{{bad\n{LINE}\n".encode()

    rows = staged(gzip.compress(data), "json", tmp_path)

    assert (fields_of(rows), faults_of(rows)) == ([GOOD] * 3, [(3, "invalid_json_row", "")])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (f"[{LINE},{LINE}]", "say `name: json`"),
        (f"[\n{LINE},\n{LINE}\n]", "say `name: json`"),
        ('{\n"note": "x"\n}', "does not end on its line"),
        (f"{LINE}{LINE}", "something follows the value"),
        (f"{LINE},", "a comma follows the object; take it out"),
        ("{'note': 'x'}", "character 2: a name is not in double quotes"),
        ('{"note": True}', "character 10: a value is missing or is not JSON"),
    ],
)
def test_the_first_fault_of_a_file_in_another_shape_says_what_to_do(
    data: str, said: str, tmp_path: Path
) -> None:
    rows = staged(data.encode(), "jsonl", tmp_path)

    assert rows.faults[0].row == 1
    assert said in rows.faults[0].message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("note,mood,\nx,sad\n", "the header ends in a delimiter"),
        ("note,mood\nwell, then,sad\n", "quote cells that hold a delimiter"),
        ("note,mood\nwell\n", "add the missing cells"),
    ],
)
def test_a_ragged_row_says_what_to_do(data: str, said: str, tmp_path: Path) -> None:
    rows = staged(data.encode(), "csv", tmp_path)

    assert faults_of(rows) == [(1, "ragged_row", "")]
    assert said in rows.faults[0].message


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"note": {"0": "x", "1": "y"}, "mood": {"0": "a", "1": "b"}}, "orient='records'"),
        ({"train": [{"a": 1}], "test": [{"a": 2}]}, "2 lists"),
        ({"columns": ["note"], "index": [0], "data": [["x"]]}, "orient='records'"),
        ({"note": ["x", "y"], "mood": ["a", "b"]}, "orient='records'"),
        ({"note": "x"}, "none of"),
    ],
)
def test_a_document_of_another_layout_says_how_to_write_it(
    document: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match=said) as raised:
        staged(json.dumps(document).encode(), "json", tmp_path)

    assert raised.value.code == "invalid_layout"


@pytest.mark.parametrize(
    ("answers", "read"),
    [
        ([{"text": "12", "answer_start": 0}], ["12"]),
        ([{"text": 12, "answer_start": 0}], ["12"]),
        (["12", 12.5], ["12", "12.5"]),
        ({"text": ["12"], "answer_start": [0]}, ["12"]),
        ({"text": "12", "answer_start": 0}, ["12"]),
        ("12", ["12"]),
        (None, []),
    ],
)
def test_answers_in_squads_layout_are_read_however_they_are_written(
    answers: object, read: list[str], tmp_path: Path
) -> None:
    asked = {"question": "How many?", "answers": answers}
    document = {"data": [{"paragraphs": [{"context": "12 boats", "qas": [asked]}]}]}

    rows = staged(json.dumps(document).encode(), "json", tmp_path)

    assert [json.loads(each["answers"]) for each in fields_of(rows)] == [read]
