"""Six public tasks as users would upload them; data from ../shared/data."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SLOTS = ("date", "first_name", "last_name", "people", "time")
ROWS = 8_000  # of a file are enough


@dataclass(frozen=True, slots=True)
class Task:
    """`metrics` are shown in the table; `options` are those of the preparation."""

    name: str
    file_name: str
    metrics: tuple[str, ...]
    rows: Callable[[], bytes]
    options: Mapping[str, Any] = field(default_factory=dict)


def tasks() -> list[Task]:
    return [
        Task(
            "presidio",
            "pairs.csv",
            ("sacrebleu", "pii_leak_rate", "exact_match"),
            lambda: _read("pii/presidio_synth_v2_shared_pairs.csv"),
            {"preset": "pii"},
        ),
        Task(
            "squad",
            "squad.json",
            ("squad_f1", "squad_exact_match"),
            lambda: _read("squad/squad_v1.1_dev_shared.json.gz"),
            {"preset": "squad"},
        ),
        Task("tweets", "tweets.csv", ("accuracy", "macro_f1"), _tweets, {"preset": "sentiment"}),
        Task(
            "sst2",
            "sst2.csv",
            ("accuracy", "macro_f1"),
            _sst2,
            {"preset": "classification", "labels": ["negative", "positive"]},
        ),
        Task(
            "banking77",
            "banking.csv",
            ("accuracy", "macro_f1"),
            _banking,
            {"preset": "classification", "columns": {"label": "category"}, "labels": _intents()},
        ),
        Task(
            "restaurant8k",
            "bookings.jsonl",
            ("json_field_f1", "json_equal"),
            _restaurant,
            {
                "preset": "extraction",
                "target_schema": {
                    "type": "object",
                    "properties": {slot: {"type": "string"} for slot in SLOTS},
                    "additionalProperties": False,
                },
            },
        ),
    ]


def _read(name: str) -> bytes:
    path = DATA / name
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _written(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    shuffled = list(rows)
    random.Random(1).shuffle(shuffled)  # noqa: S311  repeatable
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(names)
    writer.writerows(shuffled[:ROWS])
    return buffer.getvalue().encode()


def _tweets() -> bytes:
    text = io.StringIO(_read("tweets/tweet_sentiment_extraction_shared.csv.gz").decode())
    rows = [(row["text"], row["sentiment"]) for row in csv.DictReader(text) if row["text"].strip()]
    return _written(("text", "sentiment"), rows)


def _sst2() -> bytes:
    lines = _read("classification/sst2_train.tsv.gz").decode().splitlines()
    pairs = [line.rsplit("\t", 1) for line in lines if "\t" in line]
    named = {"0": "negative", "1": "positive"}
    return _written(("text", "label"), [(text, named[label]) for text, label in pairs])


def _banking() -> bytes:
    text = io.StringIO(_read("classification/banking77_train.csv.gz").decode())
    rows = [(row["text"], row["category"]) for row in csv.DictReader(text)]
    return _written(("text", "category"), rows)


def _intents() -> list[str]:
    path = DATA / "classification" / "banking77_train.csv.gz"
    if not path.exists():
        return []
    text = io.StringIO(_read("classification/banking77_train.csv.gz").decode())
    return sorted({row["category"] for row in csv.DictReader(text)})


def _restaurant() -> bytes:
    rows = json.loads(_read("extraction/restaurant8k_train_0.json.gz"))
    return b"".join(json.dumps(_booking(row)).encode() + b"\n" for row in rows)


def _booking(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said, what was asked for before, and the slots that were filled."""
    text = row["userInput"]["text"]
    spans = {each["slot"]: each["valueSpan"] for each in row.get("labels", [])}
    target = {
        slot: text[spans[slot].get("startIndex", 0) : spans[slot]["endIndex"]]
        for slot in SLOTS
        if slot in spans
    }
    asked = ", ".join(row.get("context", {}).get("requestedSlots", []))
    return {"text": text, "context": asked or "nothing", "target": json.dumps(target)}
