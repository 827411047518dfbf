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
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.evaluation.public_tasks import DATA, Task, tasks
from bench.inference.fleet import open_house
from service.evaluation.queries import get_evaluation
from service.jobs.models import Job
from tests.support.stack import Stack

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


if __name__ == "__main__":
    main()
