"""Texts that differ only in form are one, and answers and targets lose nothing."""

import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.datasets.drops import DropReason
from service.datasets.examples import fold
from service.datasets.presets.definition import PresetDefinition
from service.datasets.presets.preset import ConvertedExample, Preset, RowProblem
from service.datasets.presets.registry import choose_preset
from service.errors import Invalid
from service.evaluation.metrics.accuracy import Accuracy
from tests.service.datasets.ingestion.files import faults_of, fields_of, staged

COMPOSED = "\u00e9t\u00e9"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def preset(name: str, **options: Any) -> Preset:
    return choose_preset(name, template=None, columns=(), **options)


def converted(made: Preset, **fields: str) -> ConvertedExample:
    example = made.convert(fields)
    assert isinstance(example, ConvertedExample)
    return example


def test_composed_and_decomposed_letters_fold_alike() -> None:
    assert DECOMPOSED != COMPOSED
    assert fold(DECOMPOSED) == fold(COMPOSED)


@pytest.mark.parametrize("given", [DECOMPOSED, f"{COMPOSED}\u200b", f"\ufeff{COMPOSED}"])
def test_a_label_is_found_in_another_form(given: str) -> None:
    made = preset("classification", labels=(COMPOSED, "hiver"))

    assert converted(made, text="Il fait chaud", label=given).label == COMPOSED


def test_a_text_keeps_its_form_and_its_copy_of_another_form_is_a_duplicate() -> None:
    made = preset("classification", labels=("warm", "cold"))
    one, other = (converted(made, text=each, label="warm") for each in (COMPOSED, DECOMPOSED))

    assert (one.text, other.text) == (f"Text: {COMPOSED}", f"Text: {DECOMPOSED}")
    assert (one.identity, one.group) == (other.identity, other.group)


@pytest.mark.parametrize(
    "labels",
    [
        ("DE", "de", "rest"),
        ("Stra\u00dfe", "Strasse"),
        ("a b", "a  b"),
        ("x", "x"),
        (COMPOSED, DECOMPOSED),
    ],
)
def test_labels_that_read_the_same_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as raised:
        preset("classification", labels=labels)

    assert raised.value.code == "labels_alike"
    assert raised.value.faults[0].pointer == "/spec/labels"
    with pytest.raises(ValueError, match="rename or remove one"):
        PresetDefinition(name="mine", text="{{t}}", target="{{l}}", labels=labels)


def test_accuracy_takes_both_forms_of_a_label_for_one() -> None:
    assert Accuracy().earned(DECOMPOSED, COMPOSED) == 1


@pytest.mark.parametrize(
    ("field", "answers"),
    [
        ('{"text": "the mast", "answer_start": 4}', ("the mast",)),
        ("['the mast', 'mast']", ("the mast", "mast")),
        ("{'text': ['the mast'], 'answer_start': [4]}", ("the mast",)),
        ('["the mast", null]', ("the mast",)),
        ('[{"text": "the mast", "answer_start": 4}]', ("the mast",)),
        ("('the mast', 'mast')", ("the mast", "mast")),
        ("('the mast',)", ("the mast",)),
        ('("The mast") of the boat', ('("The mast") of the boat',)),
        ("[sic] the mast", ("[sic] the mast",)),
        ("1920", ("1920",)),
        ('"the mast"', ('"the mast"',)),
    ],
)
def test_gold_answers_are_read_as_they_are_meant(field: str, answers: tuple[str, ...]) -> None:
    example = converted(
        preset("squad"), context="It is the mast", question="What?", answers=field, title=""
    )

    assert example.references == answers


@pytest.mark.parametrize(
    "field",
    [
        "{'text': array(['the mast'], dtype=object), 'answer_start': array([4])}",
        "['the mast' 'mast']",
        "{'text': ['the mast'\n 'mast']}",
        'c("the mast", "mast")',
        "['the mast'",
        '{"answer": "the mast"}',
        '[["the mast"]]',
        '[{"answer": "the mast"}]',
        "{'the mast'}",
    ],
)
def test_answers_that_cannot_be_read_are_refused(field: str) -> None:
    row = {"context": "It is the mast", "question": "What?", "answers": field, "title": ""}

    problem = preset("squad").convert(row)

    assert isinstance(problem, RowProblem)
    assert problem.code == "invalid_answers"


@pytest.mark.parametrize(
    "field", ["[]", "[null]", '{"text": []}', '{"text": null}', "{'text': []}"]
)
def test_no_answers_are_no_answers(field: str) -> None:
    row = {"context": "It is the mast", "question": "What?", "answers": field, "title": ""}

    assert preset("squad").convert(row) is DropReason.UNANSWERABLE


def test_a_null_member_of_parquet_is_kept_as_in_json_lines(tmp_path: Path) -> None:
    rows = [{"target": {"sail": "main", "reef": None}}, {"target": {"sail": "jib", "reef": 2}}]
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    lines = "\n".join(map(json.dumps, rows)).encode()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()

    of_parquet = staged(sink.getvalue(), "parquet", tmp_path / "one")
    of_lines = staged(lines, "jsonl", tmp_path / "other")

    assert fields_of(of_parquet) == fields_of(of_lines)
    assert of_parquet.sha256 == of_lines.sha256


def test_a_member_named_twice_in_a_row_of_an_object_is_a_fault_of_that_row(tmp_path: Path) -> None:
    data = b'{"n": 3, "rows": [{"a": "x"}, {"a": "old", "a": "new"}, {"a": {"k": 1, "k": 2}}]}'

    rows = staged(data, "json", tmp_path)

    assert faults_of(rows) == [(2, "duplicate_key", ""), (3, "duplicate_key", "")]
    assert rows.rows == 1


@pytest.mark.parametrize(
    "data",
    [
        b'{"rows": [{"a": "x"}], "rows": [{"a": "y"}]}',
        b'{"data": [{"title": "t", "title": "u", "paragraphs": []}]}',
    ],
)
def test_a_member_named_twice_around_rows_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as raised:
        staged(data, "json", tmp_path)

    assert raised.value.code == "duplicate_key"


def test_a_member_named_twice_in_a_target_is_refused() -> None:
    made = preset("extraction")

    problem = made.convert({"text": "Sail", "context": "", "target": '{"a": 1, "a": 2}'})

    assert isinstance(problem, RowProblem)
    assert problem.code == "duplicate_key"


@pytest.mark.parametrize(
    "data",
    [
        b'{"data": [{"a": "x"}, {"a": "y"}]}',
        b'{"labels": ["p", "q"], "rows": [{"a": "x"}, {"a": "y"}]}',
        b'{"meta": {"n": 2}, "notes": [], "items": [{"a": "x"}, {"a": "y"}]}',
    ],
)
def test_the_one_list_of_objects_is_read_whatever_its_name_and_company(
    data: bytes, tmp_path: Path
) -> None:
    assert fields_of(staged(data, "json", tmp_path)) == [{"a": "x"}, {"a": "y"}]
