"""Files as people's tools export them, written by generators, and what is in them."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
from pyarrow import parquet

ROWS = 24
LABELS = ("positive", "negative")
SENTENCES: Mapping[str, tuple[str, ...]] = {
    "german": (
        "Die Lieferung kam spät und die Tür war beschädigt",
        "Das Gerät läuft schön für mich",
    ),
    "french": (
        "La livraison a été très longue et le café était froid",
        "C'est un bel été, merci à vous",
    ),
    "russian": (
        "Заказ потеряли, деньги вернули только через месяц",
        "Очень хороший магазин, спасибо",
    ),
    "polish": ("Przesyłka przyszła późno i była źle zapakowana", "Świetny sklep, żadnych kłopotów"),
    "japanese": ("商品の到着が遅くて箱も壊れていました", "とても良い店で、また買いたいです"),
    "chinese": ("订单丢失了一个月以后才退钱", "这是一家很好的商店我很满意"),
    "english": (
        "The parcel came late, and the box was broken",
        'They said "sorry", and it was fine',
    ),
}


@dataclass(frozen=True, slots=True)
class Export:
    """`options` are what a user adds; `code` and `fix` are of the refusal, empty if it is read."""

    name: str
    format: str
    data: bytes
    texts: tuple[str, ...] = ()
    column: str = "text"
    options: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    fix: str = ""


def texts(language: str = "english") -> tuple[str, ...]:
    pair = SENTENCES[language]
    return tuple(f"{pair[number % 2]} {number}" for number in range(ROWS))


def records(language: str = "english") -> list[dict[str, Any]]:
    pairs = enumerate(texts(language))
    return [{"text": text, "label": LABELS[number % 2]} for number, text in pairs]


def table(
    rows: Sequence[Mapping[str, Any]],
    *,
    delimiter: str = ",",
    end: str = "\r\n",
    quote: Literal[0, 1] = csv.QUOTE_MINIMAL,
) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(rows[0]), delimiter=delimiter, lineterminator=end, quoting=quote
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def lines(rows: Iterable[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def arrow(rows: list[dict[str, Any]], **metadata: str) -> bytes:
    file = io.BytesIO()
    written = pa.Table.from_pylist(rows)
    parquet.write_table(written.replace_schema_metadata(metadata), file)
    return file.getvalue()


def excel() -> Iterable[Export]:
    pages = {
        "german": (";", "cp1252"), "french": (";", "cp1252"), "russian": (";", "cp1251"),
        "polish": (";", "cp1250"), "japanese": (",", "cp932"), "chinese": (",", "gb18030"),
    }  # fmt: skip
    for language, (delimiter, encoding) in pages.items():
        data = table(records(language), delimiter=delimiter).encode(encoding)
        named = {"encoding": encoding}
        yield Export(f"Excel, {language}", "csv", data, texts(language), options=named)
    text = table(records("german"), delimiter=";")
    yield Export("Excel, CSV UTF-8", "csv", text.encode("utf-8-sig"), texts("german"))
    text = table(records("russian"), delimiter="\t")
    yield Export("Excel, Unicode text", "tsv", text.encode("utf-16"), texts("russian"))


def google_sheets() -> Iterable[Export]:
    rows = records()
    rows[3]["text"] = "a cell\nof two lines"
    expected = tuple(row["text"] for row in rows)
    yield Export("Google Sheets, CSV", "csv", table(rows).encode(), expected)
    yield Export("Google Sheets, TSV", "tsv", table(records(), delimiter="\t").encode(), texts())


def pandas() -> Iterable[Export]:
    indexed = [{"": number, **row} for number, row in enumerate(records())]
    yield Export("pandas, to_csv with index", "csv", table(indexed, end="\n").encode(), texts())
    yield Export("pandas, orient=records", "json", json.dumps(records()).encode(), texts())
    yield Export("pandas, lines=True", "jsonl", lines(records()), texts())
    columns = {
        name: {str(at): row[name] for at, row in enumerate(records())} for name in ("text", "label")
    }
    data = json.dumps(columns).encode()
    yield Export("pandas, orient=columns", "json", data, code="invalid_layout", fix="records")
    with_index = [{**row, "__index_level_0__": at} for at, row in enumerate(records())]
    yield Export("pandas, to_parquet", "parquet", arrow(with_index), texts())


def r_language() -> Iterable[Export]:
    numbered = [{"": str(at), **row} for at, row in enumerate(records(), start=1)]
    quoted = table(numbered, end="\n", quote=csv.QUOTE_ALL)
    yield Export("R, write.csv", "csv", quoted.encode(), texts())
    data = table(records("german"), delimiter=";", end="\n", quote=csv.QUOTE_ALL).encode("latin-1")
    yield Export("R, write.csv2", "csv", data, texts("german"), options={"encoding": "latin-1"})
    yield Export("R, data.table fwrite", "csv", table(records(), end="\n").encode(), texts())
    header, *rest = table(numbered, delimiter="\t", end="\n", quote=csv.QUOTE_ALL).splitlines(
        keepends=True
    )
    data = "".join([header.split("\t", 1)[1], *rest]).encode()
    yield Export("R, write.table with row names", "tsv", data, code="ragged_row", fix="cells")


def databases() -> Iterable[Export]:
    yield Export("DuckDB, CSV", "csv", table(records(), end="\n").encode(), texts())
    yield Export("DuckDB, JSON", "json", lines(records()), texts())
    data = ("[\n\t" + ",\n\t".join(map(json.dumps, records())) + "\n]\n").encode()
    yield Export("DuckDB, JSON array", "json", data, texts())
    yield Export("DuckDB, Parquet", "parquet", arrow(records()), texts())
    body = table(records(), end="\n").split("\n", 1)[1].encode()
    named = {"columns": ["text", "label"]}
    yield Export("Spark, CSV without a header", "csv", body, texts(), options=named)
    yield Export("Spark, JSON", "json", lines(records()), texts())
    yield Export("Spark, _SUCCESS", "csv", b"", code="empty_file", fix="empty")
    yield Export("Spark, .crc", "csv", b"crc\0" + bytes(12), code="invalid_header", fix="NUL")
    data = arrow(records(), **{"org.apache.spark.version": "3.5.1"})
    yield Export("Spark, Parquet", "parquet", data, texts())


def annotation_tools() -> Iterable[Export]:
    tasks = [
        {
            "id": at,
            "data": {"text": row["text"]},
            "annotations": [
                {"result": [{"type": "choices", "value": {"choices": [row["label"]]}}]}
            ],
        }
        for at, row in enumerate(records())
    ]
    nested = tuple(json.dumps({"text": text}, ensure_ascii=False) for text in texts())
    data = json.dumps(tasks).encode()
    yield Export("Label Studio, JSON", "json", data, nested, column="data")
    small = [
        {"text": r["text"], "id": at, "sentiment": r["label"]} for at, r in enumerate(records())
    ]
    yield Export("Label Studio, JSON-MIN", "json", json.dumps(small).encode(), texts())
    yield Export("Label Studio, CSV", "csv", table(small, end="\n").encode(), texts())
    fields = [{"id": str(at), "text": r["text"], "label.responses": [r["label"]]}
              for at, r in enumerate(records())]  # fmt: skip
    yield Export("Argilla, to_json lines", "jsonl", lines(fields), texts())
    doccano = [
        {"id": at, "text": r["text"], "label": [r["label"]]} for at, r in enumerate(records())
    ]
    yield Export("Doccano, JSONL", "jsonl", lines(doccano), texts())
    spans = [
        {"id": at, "text": text, "label": [[0, 3, "PERSON"]]} for at, text in enumerate(texts())
    ]
    yield Export("Doccano, JSONL of spans", "jsonl", lines(spans), texts())
    given = [
        {"text": r["text"], "_input_hash": at, "answer": "accept", "accept": [r["label"]],
         "options": [{"id": each, "text": each} for each in LABELS]}
        for at, r in enumerate(records())
    ]  # fmt: skip
    yield Export("Prodigy, JSONL", "jsonl", lines(given), texts())
    data = table([{"id": at, **r} for at, r in enumerate(records())]).encode()
    yield Export("Doccano, CSV", "csv", data, texts())


FILES: Sequence[Export] = [
    each
    for write in (excel, google_sheets, pandas, r_language, databases, annotation_tools)
    for each in write()
]


@dataclass(frozen=True, slots=True)
class ChatExport:
    """Rows that are chats, by the option `form`; `code` where each of them is refused."""

    name: str
    row: Callable[[str], dict[str, Any]]
    code: str = ""
    format: str = "jsonl"


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


_ANSWER = {"role": "assistant", "content": "Sorry."}
_CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CHATS: Sequence[ChatExport] = (
    ChatExport("TRL, messages", lambda text: {"messages": [*_said(text), _ANSWER]}),
    ChatExport("TRL, prompt and completion", lambda text: {"prompt": text, "completion": "Sorry."}),
    ChatExport(
        "TRL, conversational prompt", lambda text: {"prompt": _said(text), "completion": [_ANSWER]}
    ),
    ChatExport("OpenAI, chat", lambda text: {"messages": [*_said(text), _ANSWER]}),
    ChatExport(
        "OpenAI, tool calls",
        lambda text: {"messages": [*_said(text), {"role": "assistant", "tool_calls": [_CALL]}]},
        code="unsupported_member",
    ),
    ChatExport(
        "Vertex, contents",
        lambda text: {
            "contents": [
                {"role": "user", "parts": [{"text": text}]},
                {"role": "model", "parts": [{"text": "Sorry."}]},
            ]
        },
    ),
    ChatExport("Vertex, text_input", lambda text: {"text_input": text, "output": "Sorry."}),
)
