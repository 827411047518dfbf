"""Inputs of the kinds that people report, others than those reported, that are refused."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from service.errors import Invalid
from tests.service.datasets.prepared_file import PreparedFile, lines, table, unquoted
from tests.service.datasets.reported_chats import REFUSED_CHATS
from tests.service.datasets.reported_rows import (
    EXTRACTION,
    HEADER,
    JOINED,
    LABELS,
    OBJECTS,
    ROWS,
    SENTIMENT,
    SQUAD,
    TEXTS,
    answers,
    changed,
)

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
        "01 a table in Markdown",
        "| text | sentiment |\n|---|:---:|\n" + "".join(f"| {t} | {m} |\n" for t, m in ROWS),
        "csv",
        SENTIMENT,
        "not_a_table",
        "Markdown",
    ),
    (
        "01 tokens in lines, as CoNLL has them",
        "-DOCSTART- -X- O\n" + "".join(f"{t.split()[0]} -X- _ O\n\n" for t in TEXTS),
        "tsv",
        SENTIMENT,
        "missing_column",
        "look like data, and are not shown",
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
        "06 single quotes around cells",
        "text,sentiment\n" + unquoted((f"'{t}, yes'", f"'{m}'") for t, m in ROWS),
        "csv",
        SENTIMENT,
        "single_quotes",
        "write double quotes",
    ),
    (
        "06 quotes with backslashes",
        HEADER + unquoted((f'"{t} \\"so\\" he said"', m) for t, m in ROWS),
        "csv",
        SENTIMENT,
        "invalid_csv_row",
        "double the quotes",
    ),
    (
        "01 a footer",
        HEADER + table(ROWS) + "Total rows: 12\n",
        "csv",
        SENTIMENT,
        "ragged_row",
        "row 13: 1 cells",
    ),
    (
        "09 a delimiter that nobody knows",
        "text~sentiment\n" + unquoted(ROWS, "~"),
        "csv",
        SENTIMENT,
        "invalid_header",
        "none of , ; | and tab",
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
        "08 a carriage return in a cell, another delimiter",
        "text;sentiment\n" + unquoted([*ROWS[:3], ("one\rtwo", "neutral"), *ROWS[3:]], ";"),
        "csv",
        SENTIMENT,
        "invalid_csv_row",
        "row 4: a carriage return stands alone in a cell",
    ),
    (
        "10 names of members",
        lines({f"Schmidt, Berlin {at}": "late"} for at in range(3)),
        "jsonl",
        SENTIMENT,
        "missing_column",
        "look like data, and are not shown",
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
    *REFUSED_CHATS,
    (
        "22 a number and itself",
        table([("text", "label"), *((t, "1") for t in TEXTS)]),
        "csv",
        {"preset": "classification", "labels": ["1", "1.0"]},
        "labels_alike",
        "'1' and '1.0'",
    ),
    (
        "22 a label and itself with a joiner",
        table([("text", "label"), *((t, "late") for t in TEXTS)]),
        "csv",
        {"preset": "classification", "labels": ["late", "late\u200d"]},
        "labels_alike",
        "rename or remove one",
    ),
    (
        "22 a label of white space",
        table([("text", "label"), *((t, "late") for t in TEXTS)]),
        "csv",
        {"preset": "classification", "labels": ["late", " "]},
        "labels_alike",
        "white space",
    ),
    (
        "22 labels of masks",
        table([("source_text", "target_text"), *((t, f"{t} [NAME]") for t in TEXTS)]),
        "csv",
        {"preset": "pii", "labels": ["NAME", "name"]},
        "labels_alike",
        "'NAME' and 'name'",
    ),
    *(
        (
            f"23 a label as {given}",
            table([("text", "label"), *((t, given) for t in TEXTS)]),
            "csv",
            LABELS | {"labels": ["late night", "1"]},
            "unknown_label",
            f"the label is {known} but for punctuation",
        )
        for given, known in (
            ("late_night.", "late night"),
            ("ｌａｔｅ　ｎｉｇｈｔ", "late night"),  # noqa: RUF001  full width is meant
            ("01", "1"),
        )
    ),
    (
        "24 a column for each label",
        table([("text", "late", "lost"), *((t, "1", "0") for t in TEXTS)]),
        "csv",
        LABELS,
        "missing_column",
        "one column that holds the row's label",
    ),
    (
        "24 a label of no class",
        table([("text", "label"), *((t, "-1") for t in TEXTS)]),
        "csv",
        LABELS,
        "unknown_label",
        "-1 stands for no label",
    ),
    (
        "24 a label in an object",
        lines({"text": t, "label": {"name": "late", "score": 0.5}} for t in TEXTS),
        "jsonl",
        LABELS,
        "unknown_label",
        "the label is an object",
    ),
    (
        "14 a target that Python wrote",
        table([("text", "target"), *((t, "{'item': None}") for t in TEXTS)]),
        "csv",
        EXTRACTION,
        "target_not_json",
        "a name is not in double quotes",
    ),
    (
        "14 a target with a number that is none",
        table([("text", "target"), *((t, '{"item": NaN}') for t in TEXTS)]),
        "csv",
        EXTRACTION,
        "target_not_json",
        "not finite",
    ),
    (
        "25 articles as rows",
        lines({"title": t, "paragraphs": [{"context": t, "qas": []}]} for t in TEXTS),
        "jsonl",
        SQUAD,
        "missing_column",
        "SQuAD's articles",
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
