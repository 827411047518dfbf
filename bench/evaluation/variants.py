"""Every variant on six public tasks, through the whole service against the emulator.

    PYTHONPATH=. python bench/evaluation/variants.py [--only TASK ...] [--quick] [--failures]
        [--json FILE]

One experiment a task: zero-shot, three shots, chain of thought, the best prompt that a search on
validation rows finds (the preset's instruction and two that the model writes, with none and with
three shots) and tuned on 50, 200 and 800 examples, on the same test rows, with the metrics of the
preset. Then zero-shot again with 5 % injected failures and no retries: each whole score must lie
within the bounds that the damaged one states (`worst` to `best`). `--failures` does that alone, for
every kind of evaluation (`KINDS`). All answers are the emulator's: SYNTHETIC, they say nothing
about Gemini. Data from ../shared/data; what is not there is skipped.
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
# Five in a hundred calls fail in one of these ways; of a batch, rows.
FAULTS = {"error_503_rate": 0.02, "safety_rate": 0.02, "malformed_body_rate": 0.01}
BATCH_FAULTS = {"batch_error_rate": 0.03, "safety_rate": 0.02}
JUDGE = {
    "model": "gemini-3.5-flash",
    "rubric": "Says what the reference says.",
    "allow_same_family": True,
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "zero-shot": {"variant": "zero_shot"},
    "few-shot": {"variant": "few_shot", "shots": SHOTS},
    "chain of thought": {"variant": "chain_of_thought"},
    "controlled": {"variant": "zero_shot", "controlled": True},
    "tuned": {"variant": "tuned"},
    "tuned with shots": {"variant": "tuned_few_shot", "shots": SHOTS},
    "3 votes": {"variant": "zero_shot", "samples": 3, "temperature": 1.0},
    "judged": {"variant": "zero_shot", "judge": JUDGE},
    "judged pairwise": {"variant": "zero_shot", "judge": {**JUDGE, "mode": "pairwise"}},
    "batch": {"variant": "zero_shot", "lane": "batch"},
}
CONTROLLED = ("classification", "sentiment", "extraction")  # presets whose answers have a schema
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
    parser.add_argument("--failures", action="store_true", help="the injected failures alone")
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
            if options.failures:
                found[task.name] = failures(house.stack, task)
                continue
            found[task.name] = run(house.stack, task, quick=options.quick)
        _print(task, found[task.name])
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def run(stack: Stack, task: Task, *, quick: bool) -> dict[str, Any]:
    """Return the scores of each variant by metric, and those under injected failures."""
    spec = {
        "prepare": _preparation(stack, task, quick=quick),
        "shots": SHOTS,
        "chain_of_thought": True,
        "optimised_prompt": SEARCH,
    }
    job = stack.succeeded(stack.submit("experiment", spec).id, seconds=3600)
    variants = stack.variants(job)
    scores = {name: _scores(stack, view.evaluation) for name, view in variants.items()}
    row, _ = get_evaluation(
        next(iter(variants.values())).evaluation,
        project_id=stack.project_id,
        sessions=stack.services.sessions,
    )
    return {
        "variants": scores,
        "failures": _failures(stack, KINDS["zero-shot"], dataset=row.dataset_id),
    }


def failures(stack: Stack, task: Task) -> dict[str, Any]:
    """Return, for every kind of evaluation, its whole scores and those under failures."""
    spec = {"prepare": _preparation(stack, task, quick=True), "shots": 0}
    job = stack.succeeded(stack.submit("experiment", spec).id, seconds=3600)
    *_, tuned = stack.variants(job).values()
    row, _ = get_evaluation(
        tuned.evaluation, project_id=stack.project_id, sessions=stack.services.sessions
    )
    found: dict[str, Any] = {}
    for kind, wanted in KINDS.items():
        if "controlled" in wanted and task.options["preset"] not in CONTROLLED:
            continue
        model = {"model": row.model_id} if wanted["variant"].startswith("tuned") else {}
        found[kind] = _failures(stack, {**wanted, **model}, dataset=row.dataset_id)
        print(f"{task.name}, {kind} (SYNTHETIC): {_told(found[kind])}", flush=True)
    return found


def _preparation(stack: Stack, task: Task, *, quick: bool) -> dict[str, Any]:
    kind = {"csv": "csv", "json": "json", "jsonl": "jsonl"}[task.file_name.rpartition(".")[2]]
    file_id = stack.upload(task.rows(), name=task.file_name, file_format=kind)
    return {
        **task.options,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": QUICK_SIZES if quick else _sizes(task),
        "validation_size": VALIDATION_ROWS,
        "test_size": QUICK_TEST_ROWS if quick else 120 if task.name == "presidio" else TEST_ROWS,
    }


def _sizes(task: Task) -> Sequence[int]:
    return (50, 200, 400) if task.name == "presidio" else SIZES


def _failures(stack: Stack, wanted: Mapping[str, Any], *, dataset: str) -> dict[str, Any]:
    """Return the scores without and with failures, and which metrics left their bounds."""
    spec = {"dataset": dataset, "cache": False, **wanted}
    whole = _evaluated(stack, spec)
    faults = BATCH_FAULTS if wanted.get("lane") == "batch" else FAULTS
    stack.emulator.configure(**faults)
    try:
        damaged = _evaluated(stack, spec)
    finally:
        stack.emulator.configure(**dict.fromkeys(faults, 0))
    within = {name: _is_within(whole[name], damaged[name]) for name in whole}
    return {"whole": whole, "damaged": damaged, "within": within}


def _evaluated(stack: Stack, spec: Mapping[str, Any]) -> dict[str, Any]:
    job: Job = stack.succeeded(stack.submit("evaluate", dict(spec)).id, seconds=1800)
    return _scores(stack, job.outputs["evaluation"])


def _scores(stack: Stack, evaluation_id: str) -> dict[str, Any]:
    _, scores = get_evaluation(
        evaluation_id, project_id=stack.project_id, sessions=stack.services.sessions
    )
    names = ("value", "low", "high", "coverage", "worst", "best", "n")
    return {each.metric: {name: getattr(each, name) for name in names} for each in scores}


def _is_within(whole: Mapping[str, Any], damaged: Mapping[str, Any]) -> bool:
    """Say whether the whole score lies between the bounds that the damaged one states.

    A score that states none says that nothing was lost.
    """
    ends = (damaged["worst"], damaged["best"])
    low, high = sorted(damaged["value"] if end is None else end for end in ends)
    return bool(low - 1e-9 <= whole["value"] <= high + 1e-9)


def _told(found: Mapping[str, Any]) -> str:
    """Return the coverages, how far scores moved, and which are outside of their bounds."""
    coverages = [each["coverage"] for each in found["damaged"].values()]
    moved = max(
        abs(each["value"] - found["whole"][name]["value"])
        for name, each in found["damaged"].items()
    )
    outside = [name for name, within in found["within"].items() if not within]
    return (
        f"coverage {min(coverages):.3f} to {max(coverages):.3f}, moved by up to {moved:.1f}, "
        f"{len(found['within']) - len(outside)} of {len(found['within'])} scores within bounds"
        + (f", OUTSIDE: {', '.join(outside)}" if outside else "")
    )


def _print(task: Task, found: Mapping[str, Any]) -> None:
    variants: Mapping[str, Any] = found["variants"]
    print(f"\n{task.name} (SYNTHETIC)")
    for metric in task.metrics:
        cells = " | ".join(f"{name} {each[metric]['value']:.1f}" for name, each in variants.items())
        print(f"  {metric}: {cells}")
    print(f"  zero-shot with 5 % failures: {_told(found['failures'])}", flush=True)


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
