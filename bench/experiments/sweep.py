"""Hyperparameter sweeps through the whole service against the emulator.

    PYTHONPATH=. python bench/experiments/sweep.py [cells] [points] [--json FILE]

`cells`: a sweep of 200 cells over HTTP: planned, bound to its plan, refused once the plan has
changed, approved, finished; and another that may spend 5 dollars. `points`: the five starting
points of Google's guide on tweets and Banking77. All answers are the emulator's: SYNTHETIC, they
say nothing about Gemini. Data from ../shared/data; what is not there is skipped.
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.evaluation.public_tasks import DATA, Task, tasks
from bench.inference.fleet import open_house
from service.experiments.queries import get_experiment
from service.money import parse_dollars
from service.settings import Settings
from tests.api.server import serve
from tests.support.stack import Stack

GRID = {
    "epochs": [1, 2, 4, 6, 8],
    "learning_rate_multipliers": [0.25, 0.5, 1, 2, 4],
    "adapter_sizes": [1, 4],
}
CAP = "5.00"  # dollars
SIZES = (20, 40, 80, 160)  # 4 * 5 * 5 * 2 cells
FAST = {"requests_per_minute": "60000", "open_jobs_limit": "2000"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["cells", "points"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if "cells" in options.what:
        with open_house(FAST) as house:
            found["cells"] = sweep_of_cells(house.stack)
        print(json.dumps(found["cells"], indent=1), flush=True)
    for task in tasks() if "points" in options.what and DATA.exists() else ():
        if task.name in {"tweets", "banking77"}:
            with open_house(FAST) as house:
                found[task.name] = starting_points(house.stack, task)
            _print(task.name, found[task.name])
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def sweep_of_cells(stack: Stack) -> dict[str, Any]:
    """Return what was planned, refused, spent and found of a sweep of 200 cells."""
    dataset = _dataset(stack)
    spec = {"dataset": dataset, "sweep": GRID, "shots": 0}
    with serve(Settings()) as api:
        caller = api.caller()
        body = {"kind": "experiment", "spec": spec}
        plan = caller.post("/v1/jobs?dry_run=true", body).json()
        bound = body | {"plan": plan["hash"], "max_cost": plan["cost"]["high"], "approval": True}
        job = caller.post("/v1/jobs", bound).json()
        before = stack.spent("tunings_created")
        caller.post(f"/v1/jobs/{job['id']}/approve", {})
        begun = time.monotonic()
        ended = stack.succeeded(job["id"], seconds=6000)
        seconds = time.monotonic() - begun
        again = caller.post("/v1/jobs", bound)  # its tunings are there now: another plan
        refused = caller.post("/v1/jobs", body | {"spec": spec | {"fresh": True}, "max_cost": CAP})
    row, variants = get_experiment(
        ended.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    return {
        "cells": sum(each.train_size is not None for each in variants),
        "planned_usd": [plan["cost"]["low"], plan["cost"]["high"]],
        "planned_hours": [plan["hours"]["low"], plan["hours"]["high"]],
        "tunings_before_approval": before,
        "tunings": stack.spent("tunings_created"),
        "spent_usd": stack.job(ended.id).cost["actual"],
        "seconds": round(seconds),
        "changed_plan": [again.status_code, again.json()["code"], again.json()["detail"]],
        "above_cap": [refused.status_code, refused.json()["code"]],
        "answer": row.answer,
        "capped": _capped(stack),
    }


def _capped(stack: Stack) -> dict[str, Any]:
    """Return how a sweep ends whose cost was not known at submission, and that may spend 5 USD."""
    before = stack.spent("tunings_created")
    spec = {"prepare": _preparation(seed=1), "sweep": GRID, "shots": 0}
    job = stack.submit("experiment", spec, budget_nano=parse_dollars(CAP))
    ended = stack.ended(job.id, seconds=6000)
    return {
        "state": ended.state,
        "code": (ended.error or {}).get("code"),
        "spent_usd": ended.cost["actual"],
        "tunings": stack.spent("tunings_created") - before,
    }


def starting_points(stack: Stack, task: Task) -> dict[str, Any]:
    """Return the answer and the ranking of the five configurations on one task."""
    file_id = stack.upload(task.rows(), name=task.file_name, file_format="csv")
    prepare = {
        **task.options,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": [800],
        "test_size": 400,
    }
    spec = {"prepare": prepare, "shots": 3, "sweep": {"preset": "five_starting_points"}}
    job = stack.succeeded(stack.submit("experiment", spec).id, seconds=3600)
    row, variants = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    ends = {each.name: (each.low, each.high) for each in variants}
    ranking = [each | {"interval": ends[each["name"]]} for each in row.curve["ranking"]]
    return {"answer": row.answer, "ranking": ranking}


def _dataset(stack: Stack) -> str:
    job = stack.submit("prepare", _preparation(seed=0))
    return str(stack.succeeded(job.id).outputs["dataset"])


def _preparation(*, seed: int) -> dict[str, Any]:
    source = {"type": "synthetic", "rows": 900, "seed": seed}
    return {"preset": "pii", "source": source, "train_sizes": SIZES, "test_size": 60}


def _print(name: str, found: Mapping[str, Any]) -> None:
    print(f"\n{name} (SYNTHETIC)\n{found['answer']}")
    for each in found["ranking"]:
        low, high = each["interval"]
        below = each["below_best"]
        difference = "" if below is None else f"{-below:+.1f}, adjusted p {each['adjusted_p']:.2g}"
        mark = " worse" if each["is_worse"] else ""
        score = f"{each['value']:.1f} [{low:.1f}, {high:.1f}]"
        print(f"{each['rank']:2} {each['name']:<24} {score} {difference}{mark}", flush=True)


if __name__ == "__main__":
    main()
