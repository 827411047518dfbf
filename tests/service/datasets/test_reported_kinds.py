"""Inputs of the kinds that people report from this work, others than those that were reported."""

import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from service.errors import Invalid
from tests.service.datasets.prepared_file import PreparedFile, lines, table, unquoted

MOODS = ("positive", "negative", "neutral")
WORDS = "harbour kettle meadow falcon timber anchor violet pepper saddle marble glacier lantern"
TEXTS = [" ".join(WORDS.split()[at:] + WORDS.split()[:at]) + f" {at}" for at in range(12)]
ROWS = [(text, MOODS[at % 3]) for at, text in enumerate(TEXTS)]
SENTIMENT: dict[str, Any] = {"preset": "sentiment"}
CHAT: dict[str, Any] = {"preset": "generic", "form": "auto"}
SQUAD: dict[str, Any] = {"preset": "squad"}
LABELS: dict[str, Any] = {"preset": "classification", "labels": ["late", "lost"]}
DATED: dict[str, Any] = {
    "preset": "generic",
    "template": {"text": "{{text}} {{at}}", "target": "{{sentiment}}"},
}


def changed(at: int, cell: int, value: str) -> list[list[str]]:
    rows = [list(row) for row in ROWS]
    rows[at][cell] = value
    return rows


def chats(**answer: Any) -> str:
    return lines(
        {
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": f"It is {at}."} | answer,
            ]
        }
        for at, text in enumerate(TEXTS)
    )


def answers(field: str) -> str:
    rows = [(f"{text}, in the old boat", f"What is {at}?", field) for at, text in enumerate(TEXTS)]
    return table([("context", "question", "answers"), *rows])


HEADER = "text,sentiment\n"
JOINED = [
    [f'"{t}', m] if at == 2 else [f'{t}"', m] if at == 3 else [t, m]
    for at, (t, m) in enumerate(ROWS)
]
OBJECTS = [{"text": text, "sentiment": mood} for text, mood in ROWS]
REFUSED: list[tuple[str, str | bytes, str, dict[str, Any], str, str]] = [
    ("01 CSV that is JSON Lines", lines(OBJECTS), "csv", SENTIMENT, "not_a_table", "name: jsonl"),
    (
        "01 CSV that is a JSON list",
        json.dumps(OBJECTS, indent=1),
        "csv",
        SENTIMENT,
        "not_a_table",
        "name: json",
    ),
    (
        "01 a web page",
        "<!DOCTYPE html>\n<table><tr><td>text</td></tr></table>\n",
        "csv",
        SENTIMENT,
        "not_a_table",
        "save it as CSV",
    ),
    (
        "01 rows end in a delimiter",
        HEADER + "".join(f"{t},{m},\n" for t, m in ROWS),
        "csv",
        SENTIMENT,
        "ragged_row",
        "row 1: 3 cells, the header has 2; the row ends in a delimiter",
    ),
    (
        "01 row names without a header",
        HEADER + "".join(f"{at},{t},{m}\n" for at, (t, m) in enumerate(ROWS)),
        "csv",
        SENTIMENT,
        "ragged_row",
        "name the columns that the header lacks",
    ),
    (
        "01 whole lines in quotes",
        '"text,sentiment"\n' + "".join(f'"{t},{m}"\n' for t, m in ROWS),
        "csv",
        SENTIMENT,
        "invalid_header",
        "quotes around whole lines",
    ),
    (
        "01 whole rows in quotes",
        HEADER + "".join(f'"{t},{m}"\n' for t, m in ROWS),
        "csv",
        SENTIMENT,
        "ragged_row",
        "quotes around the whole line",
    ),
    (
        "01 a title above the header",
        "Export of May\n" + HEADER + table(ROWS),
        "csv",
        SENTIMENT,
        "ragged_row",
        "before the line that names the columns",
    ),
    (
        "05 Turkish",
        (
            "text;sentiment\n"
            + "".join(f"{t} ğdir sipariş {at};{m}\n" for at, (t, m) in enumerate(ROWS))
        ).encode("cp1254"),
        "csv",
        SENTIMENT,
        "unknown_encoding",
        "cp1254",
    ),
    (
        "05 Japanese with escapes",
        (HEADER + table(changed(1, 0, "注文が紛失しました"))).encode("iso2022_jp"),
        "csv",
        SENTIMENT,
        "unknown_encoding",
        "iso2022_jp",
    ),
    (
        "05 JSON Lines in Windows-1251",
        lines([*OBJECTS[:6], {"text": "заказ", "sentiment": "neutral"}]).encode("cp1251"),
        "jsonl",
        SENTIMENT,
        "wrong_encoding",
        "name `encoding`",
    ),
    (
        "06 neighbours, comma",
        HEADER + unquoted(JOINED),
        "csv",
        SENTIMENT,
        "swallowed_rows",
        "row 3: quotes enclose 2 lines",
    ),
    (
        "06 neighbours, last cells all different",
        "text,sentiment,id\n" + unquoted([[*row, str(at)] for at, row in enumerate(JOINED)]),
        "csv",
        SENTIMENT,
        "swallowed_rows",
        "row 3: quotes enclose 2 lines",
    ),
    (
        "07 a cell longer than a row may be",
        HEADER + table(changed(4, 0, "w " * 40_000)),
        "csv",
        SENTIMENT,
        "row_too_long",
        "row 5 is longer than 65536 characters",
    ),
    (
        "08 carriage returns in JSON Lines",
        lines(OBJECTS).replace("\n", "\r"),
        "jsonl",
        SENTIMENT,
        "invalid_json_row",
        "a carriage return",
    ),
    (
        "08 two kinds of line ends",
        (HEADER + unquoted(ROWS[:6])).replace("\n", "\r") + unquoted(ROWS[6:]),
        "csv",
        SENTIMENT,
        "invalid_header",
        "carriage return alone",
    ),
    (
        "09 another delimiter",
        "sep=^\ntext^sentiment\n" + unquoted(ROWS, "^"),
        "csv",
        SENTIMENT,
        "unknown_delimiter",
        "none of , ; | and tab",
    ),
    (
        "10 names of people only",
        "Schmidt,Berlin\nMeier,Hamburg\nKaya,Bonn\n",
        "csv",
        {"preset": "pii"},
        "missing_column",
        "the first line may be data",
    ),
    (
        "11 a header in another case",
        "Text,Sentiment\n" + table(ROWS),
        "csv",
        SENTIMENT,
        "missing_column",
        "a column differs from it in case",
    ),
    (
        "16 an answer that was refused",
        chats(refusal="No."),
        "jsonl",
        CHAT,
        "unsupported_member",
        "`refusal`",
    ),
    (
        "16 tools of the row in snake case",
        lines({"prompt": t, "completion": "x", "tool_config": {"mode": "ANY"}} for t in TEXTS),
        "jsonl",
        CHAT,
        "unsupported_member",
        "`tool_config`",
    ),
    (
        "17 a row's weight between",
        lines({"prompt": t, "completion": "x", "weight": 0.3} for t in TEXTS),
        "jsonl",
        CHAT,
        "unsupported_weight",
        "neither 0 nor 1",
    ),
    (
        "19 messages as Python prints them",
        table([("messages",), *((str([{"role": "user", "content": t}]),) for t in TEXTS)]),
        "csv",
        {"preset": "generic", "form": "messages"},
        "invalid_messages",
        "json.dumps",
    ),
    (
        "19 a prompt with an image",
        lines(
            {"prompt": [{"type": "text", "text": t}, {"type": "image_url"}], "completion": "x"}
            for t in TEXTS
        ),
        "jsonl",
        CHAT,
        "unsupported_part",
        "leave out images",
    ),
    (
        "22 a number and itself",
        table([("text", "label"), *((t, "1") for t in TEXTS)]),
        "csv",
        {"preset": "classification", "labels": ["1", "1.0"]},
        "labels_alike",
        "'1' and '1.0'",
    ),
    (
        "23 a column name in other letters",
        table([(unicodedata.normalize("NFD", "naïve"), "mood"), *ROWS]),
        "csv",
        {"preset": "generic", "template": {"text": "{{naïve}}", "target": "{{mood}}"}},
        "missing_column",
        "composed letters",
    ),
    (
        "24 a list without a label",
        lines([*({"text": t, "label": "late"} for t in TEXTS), {"text": "empty", "label": []}]),
        "jsonl",
        LABELS,
        "row_without_target",
        "row 13",
    ),
    ("25 a set of lists", answers('{["boat"],[65]}'), "csv", SQUAD, "invalid_answers", "row 1"),
    ("25 a missing number in a list", answers("[nan]"), "csv", SQUAD, "invalid_answers", "row 1"),
    (
        "39 answers that name a member twice",
        answers('{"text": ["boat"], "text": ["old"]}'),
        "csv",
        SQUAD,
        "duplicate_key",
        "row 1",
    ),
]


@pytest.mark.parametrize(
    ("data", "name", "spec", "code", "said"),
    [pytest.param(*each[1:], id=each[0]) for each in REFUSED],
)
def test_a_file_of_the_kind_is_refused_with_the_reason(
    data: str | bytes, name: str, spec: dict[str, Any], code: str, said: str, tmp_path: Path
) -> None:
    given = data.encode() if isinstance(data, str) else data

    with pytest.raises(Invalid) as raised:
        PreparedFile(given, name, spec, tmp_path)

    assert raised.value.code == code
    assert said in raised.value.message
    assert not any(hidden in raised.value.message for hidden in ("Schmidt", "Berlin", "harbour"))


def in_parquet(column: pa.Array) -> bytes:
    file = io.BytesIO()
    rows = {"text": TEXTS, "sentiment": [mood for _, mood in ROWS], "at": column}
    parquet.write_table(pa.table(rows), file)
    return file.getvalue()


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


def test_a_system_text_in_a_column_of_its_own_is_not_lost(tmp_path: Path) -> None:
    rows = ({"system": "Be brief.", "prompt": text, "completion": "x"} for text in TEXTS)

    found = PreparedFile(lines(rows).encode(), "jsonl", CHAT, tmp_path)

    assert {each["system"] for each in found.rows} == {"Be brief."}


@pytest.mark.parametrize("flag", ["train", "training", "trainable", "loss"])
def test_an_answer_that_is_not_to_be_trained_on_is_dropped(flag: str, tmp_path: Path) -> None:
    data = chats() + chats(**{flag: False})

    found = PreparedFile(data.encode(), "jsonl", CHAT, tmp_path)

    assert {name: each.rows for name, each in found.report.dropped.items()} == {"zero_weight": 12}


def test_a_row_of_no_weight_is_dropped(tmp_path: Path) -> None:
    rows = [{"prompt": text, "completion": "x", "weight": at % 2} for at, text in enumerate(TEXTS)]

    found = PreparedFile(lines(rows).encode(), "jsonl", CHAT, tmp_path)

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


def test_cyrillic_that_was_decoded_twice_is_told(tmp_path: Path) -> None:
    twice = "заказ потеряли".encode().decode("cp1251").encode("cp1251").decode("latin-1")

    found = PreparedFile(
        (HEADER + table([*ROWS, (twice, "neutral")])).encode(), "csv", SENTIMENT, tmp_path
    )

    assert "wrongly_decoded" in found.warnings
