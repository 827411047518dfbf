"""Small rows for inputs of the reported kinds, and short ways to write them."""

import io
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tests.service.datasets.prepared_file import lines, table

MOODS = ("positive", "negative", "neutral")
WORDS = "harbour kettle meadow falcon timber anchor violet pepper saddle marble glacier lantern"
TEXTS = [" ".join(WORDS.split()[at:] + WORDS.split()[:at]) + f" {at}" for at in range(12)]
ROWS = [(text, MOODS[at % 3]) for at, text in enumerate(TEXTS)]
SENTIMENT: dict[str, Any] = {"preset": "sentiment"}
CHAT: dict[str, Any] = {"preset": "generic", "form": "auto"}
SQUAD: dict[str, Any] = {"preset": "squad"}
EXTRACTION: dict[str, Any] = {"preset": "extraction"}
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


def in_parquet(column: pa.Array) -> bytes:
    file = io.BytesIO()
    rows = {"text": TEXTS, "sentiment": [mood for _, mood in ROWS], "at": column}
    parquet.write_table(pa.table(rows), file)
    return file.getvalue()
