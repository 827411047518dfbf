"""Inputs of the kinds that people report, others than those reported, that are read."""

import json
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from service.errors import Invalid
from tests.service.datasets.prepared_file import PreparedFile, lines, table
from tests.service.datasets.reported_rows import (
    CHAT,
    DATED,
    EXTRACTION,
    HEADER,
    LABELS,
    OBJECTS,
    ROWS,
    SENTIMENT,
    SQUAD,
    TEXTS,
    answers,
    chats,
    in_parquet,
)

PAIRS = {"preset": "generic", "form": "preference"}
FINE = {"role": "assistant", "content": "Fine."}


def test_a_time_that_no_calendar_has_is_a_fault_of_its_row(tmp_path: Path) -> None:
    days = pa.array([1] * 11 + [99_999_999], pa.int32()).cast(pa.date32())

    with pytest.raises(Invalid, match="row 12: at: a time that no calendar has"):
        PreparedFile(in_parquet(days), "parquet", DATED, tmp_path)


READ: list[tuple[str, str | bytes, str, dict[str, Any], tuple[str, str]]] = [
    (
        "02 two marks before a list",
        "\ufeff\ufeff" + json.dumps(OBJECTS),
        "json",
        SENTIMENT,
        (f"Text: {TEXTS[0]}", "positive"),
    ),
    (
        "06 spaces before quotes",
        "text, sentiment\n" + "".join(f'"{t}", "{m}"\n' for t, m in ROWS),
        "csv",
        SENTIMENT,
        (f"Text: {TEXTS[0]}", "positive"),
    ),
    (
        "06 spaces before quotes, text last",
        "sentiment, text\n" + "".join(f'{m}, "{t}, so"\n' for t, m in ROWS),
        "csv",
        SENTIMENT,
        (f"Text: {TEXTS[0]}, so", "positive"),
    ),
    (
        "09 a tab by name",
        "sep=\\t\ntext\tsentiment\n" + table(ROWS, delimiter="\t"),
        "csv",
        SENTIMENT,
        (f"Text: {TEXTS[0]}", "positive"),
    ),
    (
        "09 delimiters after the first line",
        "sep=;;\r\ntext;sentiment\r\n" + table(ROWS, delimiter=";"),
        "csv",
        SENTIMENT,
        (f"Text: {TEXTS[0]}", "positive"),
    ),
    (
        "11 an invisible character in a name",
        "\u200btext,sentiment\u2060\n" + table(ROWS),
        "csv",
        SENTIMENT,
        (f"Text: {TEXTS[0]}", "positive"),
    ),
    (
        "12 nanoseconds in a list",
        in_parquet(pa.array([[1_700_000_000_000_000_001]] * 12, pa.list_(pa.timestamp("ns")))),
        "parquet",
        DATED,
        (f'{TEXTS[0]} ["2023-11-14T22:13:20"]', "positive"),
    ),
    (
        "12 a zone that nobody knows",
        in_parquet(pa.array([1] * 12, pa.timestamp("s", "Mars/Base"))),
        "parquet",
        DATED,
        (f"{TEXTS[0]} 1970-01-01 00:00:01.000", "positive"),
    ),
    (
        "14 short floats and decimals",
        in_parquet(
            pa.array(
                [{"p": 0.1, "of": [Decimal("1.10")]}] * 12,
                pa.struct([("p", pa.float32()), ("of", pa.list_(pa.decimal128(5, 2)))]),
            )
        ),
        "parquet",
        DATED,
        (f'{TEXTS[0]} {{"p": 0.1, "of": [1.1]}}', "positive"),
    ),
    (
        "13 identifiers",
        in_parquet(
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)] * 12, pa.binary(16)))
        ),
        "parquet",
        DATED,
        (f"{TEXTS[0]} 00000000-0000-0000-0000-000000000000", "positive"),
    ),
    (
        "14 JSON in a JSON text",
        lines({"text": t, "target": json.dumps('{"item": 1}')} for t in TEXTS),
        "jsonl",
        EXTRACTION,
        (f"Text: {TEXTS[0]}", '{"item": 1}'),
    ),
    (
        "15 a number of 5,000 digits, unused",
        lines(OBJECTS).replace('", "sentiment"', '", "n": ' + "9" * 5000 + ', "sentiment"'),
        "jsonl",
        SENTIMENT,
        (f"Text: {TEXTS[0]}", "positive"),
    ),
    (
        "19 a prompt of typed parts",
        lines(
            {"prompt": [{"type": "text", "text": t}], "completion": f"It is {at}."}
            for at, t in enumerate(TEXTS)
        ),
        "jsonl",
        CHAT,
        (TEXTS[0], "It is 0."),
    ),
    (
        "19 a prompt as Gemini's content",
        lines(
            {"prompt": {"role": "user", "parts": [{"text": t}]}, "completion": f"It is {at}."}
            for at, t in enumerate(TEXTS)
        ),
        "jsonl",
        CHAT,
        (TEXTS[0], "It is 0."),
    ),
    (
        "19 typed parts of texts",
        chats(content=[{"type": "output_text", "text": "It is "}, {"type": "text", "text": "0."}]),
        "jsonl",
        CHAT,
        (TEXTS[0], "It is 0."),
    ),
    (
        "22 a label that a joiner follows",
        table([("text", "label"), *((t, "late\u200c") for t in TEXTS)]),
        "csv",
        LABELS,
        (f"Text: {TEXTS[0]}", "late"),
    ),
    (
        "24 labels as decimal numbers",
        table([("text", "label"), *((t, "1.00") for t in TEXTS)]),
        "csv",
        {"preset": "classification", "labels": ["1", "2"]},
        (f"Text: {TEXTS[0]}", "1"),
    ),
    (
        "25 JSON in a JSON text",
        answers(json.dumps(json.dumps(["old boat"]))),
        "csv",
        SQUAD,
        (f"Context: {TEXTS[0]}, in the old boat\nQuestion: What is 0?", "old boat"),
    ),
    (
        "25 None in a list of Python's",
        answers("[None, 'old boat']"),
        "csv",
        SQUAD,
        (f"Context: {TEXTS[0]}, in the old boat\nQuestion: What is 0?", "old boat"),
    ),
]


@pytest.mark.parametrize(
    ("data", "name", "spec", "first"), [pytest.param(*each[1:], id=each[0]) for each in READ]
)
def test_a_file_of_the_kind_is_read_as_it_is_meant(
    data: str | bytes, name: str, spec: dict[str, Any], first: tuple[str, str], tmp_path: Path
) -> None:
    found = PreparedFile(data.encode() if isinstance(data, str) else data, name, spec, tmp_path)

    assert found.report.kept == len(TEXTS)
    assert (found.rows[0]["text"], found.rows[0]["target"]) == first


@pytest.mark.parametrize(
    ("system", "taught"),
    [
        ("Be brief.", "Be brief."),
        ([{"text": "Be brief."}, {"text": "Be kind."}], "Be brief.\n\nBe kind."),
        ([{"type": "text", "text": "Be brief."}], "Be brief."),
        ({"parts": {"text": "Be brief."}}, "Be brief."),
        ({}, ""),
    ],
)
def test_a_system_text_in_a_column_of_its_own_is_not_lost(
    system: object, taught: str, tmp_path: Path
) -> None:
    rows = ({"system": system, "prompt": text, "completion": "x"} for text in TEXTS)

    found = PreparedFile(lines(rows).encode(), "jsonl", CHAT, tmp_path)

    assert {each["system"] for each in found.rows} == {taught}


def test_a_question_that_a_column_calls_impossible_has_no_answer(tmp_path: Path) -> None:
    rows = (
        {"context": f"{t} boat", "question": "What?", "answers": ["boat"], "is_impossible": at < 4}
        for at, t in enumerate(TEXTS)
    )

    found = PreparedFile(lines(rows).encode(), "jsonl", SQUAD, tmp_path)

    assert {name: each.rows for name, each in found.report.dropped.items()} == {"unanswerable": 4}


@pytest.mark.parametrize(
    ("masked", "warning"),
    [
        ("[ИМЯ]", "labels_not_in_instruction"),
        ("[PHONE NUMBER]", "labels_not_in_instruction"),
        ("[FIRST-NAME]", "labels_not_in_instruction"),
        ("[PRE\u0301NOM]", "labels_not_in_instruction"),
        ("{NAME}", "no_placeholders"),
        ("Anna", "no_placeholders"),
    ],
)
def test_masks_are_seen_in_all_letters_and_reported_where_there_are_none(
    masked: str, warning: str, tmp_path: Path
) -> None:
    rows = [{"source_text": f"{t} Anna", "target_text": f"{t} {masked}"} for t in TEXTS]

    found = PreparedFile(lines(rows).encode(), "jsonl", {"preset": "pii"}, tmp_path)

    assert found.warnings & {"labels_not_in_instruction", "no_placeholders"} == {warning}


@pytest.mark.parametrize("cell", ["#N/A", "#REF!", "#NOM?", "#DIV/0!", "#¡VALOR!"])
def test_an_error_of_a_spreadsheet_is_reported(cell: str, tmp_path: Path) -> None:
    data = table([("text", "sentiment"), *ROWS, (cell, "neutral"), ("#fine #DAY", "neutral")])

    found = PreparedFile(data.encode(), "csv", SENTIMENT, tmp_path)

    assert [each.rows for each in found.report.warnings if each.code == "spreadsheet_error"] == [1]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Sure.\n<think>Hm.</think> Fine.", "thought_in_target"),
        ("Hm.</think>\nFine.", "thought_in_target"),
        ("I look.<tool_call>{}</tool_call>", "chat_markup"),
        ("[TOOL_CALLS][{}]", "chat_markup"),
    ],
)
def test_a_thought_or_a_call_within_an_answer_is_told(
    answer: str, told: str, tmp_path: Path
) -> None:
    earlier = [
        {"messages": [*each["messages"], {"role": "user", "content": "And?"}, FINE]}
        for each in map(json.loads, chats(content=answer).splitlines())
    ]

    last = PreparedFile(chats(content=answer).encode(), "jsonl", CHAT, tmp_path)

    assert told in last.warnings
    if told == "thought_in_target":
        (tmp_path / "earlier").mkdir()
        found = PreparedFile(lines(earlier).encode(), "jsonl", CHAT, tmp_path / "earlier")
        assert told in found.warnings


@pytest.mark.parametrize("cell", ["NaN", "<NA>", "NULL", "None", "\\N"])
def test_a_missing_value_that_is_written_as_text_is_told(cell: str, tmp_path: Path) -> None:
    data = table([("text", "sentiment"), *ROWS, (cell, "neutral"), (f"{cell} so", "neutral")])

    found = PreparedFile(data.encode(), "csv", SENTIMENT, tmp_path)

    assert [each.rows for each in found.report.warnings if each.code == "missing_value"] == [1]


@pytest.mark.parametrize(
    ("row", "spec"),
    [
        ({"context": lambda t: [t, "boat"], "question": "What?", "answers": "boat"}, SQUAD),
        ({"text": lambda t: {"note": t}, "sentiment": "neutral"}, SENTIMENT),
    ],
)
def test_a_list_or_an_object_in_place_of_a_text_is_told(
    row: dict[str, Any], spec: dict[str, Any], tmp_path: Path
) -> None:
    rows = [{name: v(t) if callable(v) else v for name, v in row.items()} for t in TEXTS]

    found = PreparedFile(lines(rows).encode(), "jsonl", spec, tmp_path)

    assert "list_as_text" in found.warnings


@pytest.mark.parametrize("flag", ["train", "training", "trainable", "loss"])
def test_an_answer_that_is_not_to_be_trained_on_is_dropped(flag: str, tmp_path: Path) -> None:
    data = chats() + chats(**{flag: False})

    found = PreparedFile(data.encode(), "jsonl", CHAT, tmp_path)

    assert {name: each.rows for name, each in found.report.dropped.items()} == {"zero_weight": 12}


def test_a_row_of_no_weight_is_dropped(tmp_path: Path) -> None:
    rows = [{"prompt": text, "completion": "x", "weight": at % 2} for at, text in enumerate(TEXTS)]

    found = PreparedFile(lines(rows).encode(), "jsonl", CHAT, tmp_path)

    assert {name: each.rows for name, each in found.report.dropped.items()} == {"zero_weight": 6}


def test_a_pair_of_no_weight_is_dropped(tmp_path: Path) -> None:
    rows = [
        {"prompt": text, "chosen": "a", "rejected": "b", "weight": at % 2}
        for at, text in enumerate(TEXTS)
    ]

    found = PreparedFile(lines(rows).encode(), "jsonl", PAIRS, tmp_path)

    assert {name: each.rows for name, each in found.report.dropped.items()} == {"zero_weight": 6}


NULLS = [("context", "question", "answers"), *((f"{t} boat", "What?", "null") for t in TEXTS[:6])]


def test_null_is_no_answer(tmp_path: Path) -> None:
    more = [(f"{text} boat", "Which?", "boat") for text in TEXTS]

    found = PreparedFile(table([*NULLS, *more]).encode(), "csv", SQUAD, tmp_path)

    assert {name: each.rows for name, each in found.report.dropped.items()} == {"unanswerable": 6}


def _in_both_forms(text: str) -> list[str]:
    return [f"{text} café", unicodedata.normalize("NFD", f"{text} café")]


BOTH = [each for text in TEXTS for each in _in_both_forms(text)]


@pytest.mark.parametrize(
    ("data", "name", "spec"),
    [
        (
            table([("source_text", "target_text"), *((t, t + "!") for t in BOTH)]),
            "csv",
            {"preset": "pii"},
        ),
        (
            table([("text", "sentiment"), *((t, "neutral") for t in BOTH)]),
            "csv",
            {"preset": "generic", "template": {"text": "{{text}}", "target": "{{sentiment}}"}},
        ),
        (lines({"prompt": t, "completion": "x"} for t in BOTH), "jsonl", CHAT),
    ],
    ids=["pii", "template", "chat"],
)
def test_a_copy_in_other_letters_is_a_duplicate_in_every_preset(
    data: str, name: str, spec: dict[str, Any], tmp_path: Path
) -> None:
    found = PreparedFile(data.encode(), name, spec, tmp_path)

    assert {reason: each.rows for reason, each in found.report.dropped.items()} == {"duplicate": 12}


def test_a_system_text_in_another_form_tells_no_inputs_apart(tmp_path: Path) -> None:
    systems = ("Sei knapp, Zoë.", unicodedata.normalize("NFD", "SEI knapp, Zoë."))
    rows = [
        {"systemInstruction": systems[at % 2], "prompt": TEXTS[at // 2], "completion": f"{at}"}
        for at in range(24)
    ]

    found = PreparedFile(lines(rows).encode(), "jsonl", CHAT | {"test_size": 1}, tmp_path)

    assert "conflicting_targets" in found.warnings


def test_cyrillic_that_was_decoded_twice_is_reported(tmp_path: Path) -> None:
    twice = "заказ потеряли".encode().decode("cp1251").encode("cp1251").decode("latin-1")

    found = PreparedFile(
        (HEADER + table([*ROWS, (twice, "neutral")])).encode(), "csv", SENTIMENT, tmp_path
    )

    assert "wrongly_decoded" in found.warnings


def test_cyrillic_in_the_wrong_one_of_two_encodings_is_told(tmp_path: Path) -> None:
    wrong = "Заказ потеряли".encode("cp1251").decode("koi8-r")

    found = PreparedFile(
        (HEADER + table([*ROWS, (wrong, "neutral")])).encode(), "csv", SENTIMENT, tmp_path
    )

    assert "wrongly_decoded" in found.warnings
