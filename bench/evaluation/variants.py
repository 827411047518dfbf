"""Every variant on six public tasks, through the whole service against the emulator.

    PYTHONPATH=. python bench/evaluation/variants.py [--only TASK ...] [--quick] [--json FILE]

One experiment a task: zero-shot, three shots, chain of thought, the best prompt that a search on
validation rows finds (the preset's instruction and two that the model writes, with none and with
three shots) and tuned on 50, 200 and 800 examples, on the same test rows, with the metrics of the
preset. Then the first variant again with
5 % injected failures and no retries: the score at full coverage must lie within the bounds that
the damaged one states (`worst` to `best`). All answers are the emulator's: SYNTHETIC, they say
nothing about Gemini. Data from ../shared/data; what is not there is skipped.
"""

import argparse
import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.inference.fleet import open_house
from service.evaluation.queries import get_evaluation
from service.jobs.models import Job
from tests.support.stack import Stack

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SLOTS = ("date", "first_name", "last_name", "people", "time")
SIZES, QUICK_SIZES = (50, 200, 800), (50,)
TEST_ROWS, QUICK_TEST_ROWS = 200, 100
SHOTS = 3
VALIDATION_ROWS = 60
SEARCH = {"proposals": 2, "shots": (0, SHOTS), "calls": 400}
# Five in a hundred calls fail in one of these ways.
FAULTS = {"error_503_rate": 0.02, "safety_rate": 0.02, "malformed_body_rate": 0.01}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="tasks to run")
    parser.add_argument("--quick", action="store_true", help="100 test rows, tuned on 50")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not DATA.exists():
        parser.exit(message="../shared/data is not here: nothing to run\n")
    found: dict[str, Any] = {}
    for task in tasks():
        if options.only and task.name not in options.only:
            continue
        # No retries, so that each injected failure costs its row.
        with open_house({"call_attempts": "1", "requests_per_minute": "60000"}) as house:
            found[task.name] = run(house.stack, task, quick=options.quick)
        _print(task, found[task.name])
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def run(stack: Stack, task: Task, *, quick: bool) -> dict[str, Any]:
    """Return the scores of each variant by metric, and those under injected failures."""
    content = task.rows()
    kind = {"csv": "csv", "json": "json", "jsonl": "jsonl"}[task.file_name.rpartition(".")[2]]
    file_id = stack.upload(content, name=task.file_name, file_format=kind)
    prepare = {
        **task.options,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": QUICK_SIZES if quick else _sizes(task),
        "validation_size": VALIDATION_ROWS,
        "test_size": QUICK_TEST_ROWS if quick else 120 if task.name == "presidio" else TEST_ROWS,
    }
    spec = {
        "prepare": prepare,
        "shots": SHOTS,
        "chain_of_thought": True,
        "optimised_prompt": SEARCH,
    }
    job = stack.succeeded(stack.submit("experiment", spec).id, seconds=3600)
    variants = stack.variants(job)
    scores = {name: _scores(stack, view.evaluation) for name, view in variants.items()}
    damaged = _damaged(stack, next(iter(variants.values())).evaluation)
    clean = scores["zero-shot"]
    return {
        "variants": scores,
        "damaged": damaged,
        "within": {name: _is_within(clean[name], damaged[name]) for name in task.metrics},
    }


def _sizes(task: Task) -> Sequence[int]:
    return (50, 200, 400) if task.name == "presidio" else SIZES


def _damaged(stack: Stack, evaluation_id: str) -> dict[str, Any]:
    row, _ = get_evaluation(
        evaluation_id, project_id=stack.project_id, sessions=stack.services.sessions
    )
    stack.emulator.configure(**FAULTS)
    try:
        spec = {"dataset": row.dataset_id, "variant": "zero_shot", "cache": False}
        job: Job = stack.succeeded(stack.submit("evaluate", spec).id, seconds=1800)
    finally:
        stack.emulator.configure(**dict.fromkeys(FAULTS, 0))
    return _scores(stack, job.outputs["evaluation"])


def _scores(stack: Stack, evaluation_id: str) -> dict[str, Any]:
    _, scores = get_evaluation(
        evaluation_id, project_id=stack.project_id, sessions=stack.services.sessions
    )
    names = ("value", "low", "high", "coverage", "worst", "best", "n")
    return {each.metric: {name: getattr(each, name) for name in names} for each in scores}


def _is_within(clean: Mapping[str, Any], damaged: Mapping[str, Any]) -> bool:
    """Say whether the whole score lies between the bounds that the damaged one states."""
    low, high = sorted((damaged["worst"], damaged["best"]))
    return bool(low - 1e-9 <= clean["value"] <= high + 1e-9)


def _print(task: Task, found: Mapping[str, Any]) -> None:
    variants: Mapping[str, Any] = found["variants"]
    print(f"\n{task.name} (SYNTHETIC)")
    for metric in task.metrics:
        cells = " | ".join(f"{name} {each[metric]['value']:.1f}" for name, each in variants.items())
        damaged = found["damaged"][metric]
        print(
            f"  {metric}: {cells}\n"
            f"    zero-shot with 5 % failures: {damaged['value']:.1f}, coverage "
            f"{damaged['coverage']:.3f}, bounds {damaged['worst']:.1f} to {damaged['best']:.1f}: "
            f"{'within' if found['within'][metric] else 'OUTSIDE'}",
            flush=True,
        )


# ------------------------------------------------------------ the rows


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


if __name__ == "__main__":
    main()
