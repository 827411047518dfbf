"""How many rows of real data sets are used, how many groups tested, and whether any leaks.

    .venv/bin/python bench/datasets/real_data.py

The sets lie in `../shared/data`, beside the project. Each is split into a test of 200 rows and a
validation of 100; all others may train.
"""

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT))

Row = dict[str, str]
Set = tuple[str, dict[str, Any], list[Row]]
SIZES = {"train_sizes": [100], "test_size": 200, "validation_size": 100}


def main() -> None:
    print(
        "| set | rows | used | not used | groups tested | leaks |\n|---|---:|---:|---:|---:|---:|"
    )
    for name, (preset, options, rows) in real_sets():
        print(_line(name, preset, options, rows), flush=True)


def _line(name: str, preset: str, options: dict[str, Any], rows: list[Row]) -> str:
    from service.datasets.formats.rows import SourceRow
    from service.datasets.schemas import PrepareSpec
    from tests.service.datasets.columnar import prepare_rows

    spec = {"preset": preset, "source": {"type": "synthetic"}, **SIZES, **options}
    numbered = [SourceRow(number, row) for number, row in enumerate(rows, start=1)]
    report = prepare_rows(numbered, PrepareSpec.model_validate(spec)).report
    dropped = report.dropped.items()
    unused = sum(each.rows for reason, each in dropped if reason.startswith("beyond_"))
    leaks = sum(each.rows for each in report.leakage.leaks) if report.leakage else 0
    used = f"{report.kept:,} ({report.kept / report.source_rows:.1%})"
    rest = f"{unused:,} ({unused / report.source_rows:.1%})"
    return (
        f"| {name} | {report.source_rows:,} | {used} | {rest} | {report.groups.tested} | {leaks} |"
    )


def real_sets() -> Iterator[tuple[str, Set]]:
    squad = _squad()
    yield "SQuAD, by article", ("squad", {}, squad)
    yield "SQuAD, by paragraph", ("squad", {"group": "paragraph"}, squad)
    for part in ("synth_v2", "generated_large"):
        rows = _csv(DATA / f"pii/presidio_{part}_shared_pairs.csv", "source_text", "target_text")
        yield f"presidio {part}", ("pii", {}, rows)
    tweets = DATA / "tweets/tweet_sentiment_extraction_shared.csv.gz"
    yield "tweets", ("sentiment", {}, _csv(tweets, "text", "sentiment"))
    banking = _csv(DATA / "classification/banking77_train.csv.gz", "text", "category")
    labelled = [{"text": row["text"], "label": row["category"]} for row in banking]
    labels = sorted({row["label"] for row in labelled})
    yield "Banking77", ("classification", {"labels": labels}, labelled)
    yield "Restaurant8k", ("extraction", {}, _restaurant())
    yield "SST-2", ("classification", {"labels": ["0", "1"]}, _sst2())


def _csv(path: Path, *columns: str) -> list[Row]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8") as file:
        return [{name: row[name] for name in columns} for row in csv.DictReader(file)]


def _squad() -> list[Row]:
    path = DATA / "squad/squad_v1.1_dev_shared.json.gz"
    document = json.loads(gzip.decompress(path.read_bytes()))
    return [
        {
            "title": article["title"],
            "context": paragraph["context"],
            "question": asked["question"],
            "answers": json.dumps([answer["text"] for answer in asked["answers"]]),
        }
        for article in document["data"]
        for paragraph in article["paragraphs"]
        for asked in paragraph["qas"]
    ]


def _restaurant() -> list[Row]:
    path = DATA / "extraction/restaurant8k_train_0.json.gz"
    return [
        {"text": f"Asked: {_slots(row)}. {row['userInput']['text']}", "target": _target(row)}
        for row in json.loads(gzip.decompress(path.read_bytes()))
    ]


def _slots(row: dict[str, Any]) -> str:
    return ", ".join(row.get("context", {}).get("requestedSlots", []))


def _target(row: dict[str, Any]) -> str:
    text, found = row["userInput"]["text"], {}
    for label in row.get("labels", []):
        span = label["valueSpan"]
        found[label["slot"]] = text[span.get("startIndex", 0) : span["endIndex"]]
    return json.dumps(found, sort_keys=True)


def _sst2() -> list[Row]:
    text = gzip.decompress((DATA / "classification/sst2_train.tsv.gz").read_bytes()).decode()
    pairs = (line.rsplit("\t", 1) for line in text.splitlines())
    return [{"text": text, "label": label} for text, label in pairs]


if __name__ == "__main__":
    main()
