"""Tunings whose worker is killed or stands still, and whose connection is cut: each is made once.

    .venv/bin/python -m bench.jobs.tuning_crashes [--runs 950] [--processes 50] [--seed 0]

`runs` are seeded: in each a worker of this process submits a tuning to the emulator with Google's
client, and up to three times is killed or overtaken at a random step, while requests, answers and
lists are lost on the way. `processes` are tune jobs of a real fleet whose Celery worker is killed
with SIGKILL or stopped for longer than its lease and then woken. Ends with 1 unless the emulator's
ledger has one tuning for each intent and every job ended as its tuning did. A tuning that failed
since its rows had been taken away is none; one that was cancelled as a stray is counted in the end.
"""

import argparse
import contextlib
import copy
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.database import open_sessions
from service.errors import Unavailable
from service.jobs.lifecycle import OPEN, State
from service.jobs.paid_operations.states import (
    FINAL_STATES,
    FoundOperation,
    OperationState,
    OperationStatus,
)
from service.migrations.upgrade import upgrade
from service.storage.gcs import GcsStore
from service.storage.ports import ObjectStore
from service.tuning.models import TuningRun
from service.tuning.ports import Hyperparameters, TuningRequest
from service.tuning.providers.vertex import VertexTuning, open_vertex
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually
from tests.support.faulty_proxy import FaultyProxy, start_faulty_proxy
from tests.support.operation_ledger import INPUT, KilledError, Ledger, Steps, set_back
from tests.support.operation_world import World
from tests.support.runs import add_project
from tests.support.stack import GENERAL, Stack, start_stack

STEPS = 16  # of a tuning that nothing goes wrong with, about
_UNLEARNED = {"tuning_outcome": "error_before_upload", "tuning_outcome_rate": 0.9}  # for speed
NO_ROWS = 5  # the code of a tuning whose rows are not there
FROZEN_SECONDS = 9.0  # longer than a lease and the time to settle
_TURNS = [{"role": role, "parts": [{"text": role}]} for role in ("user", "model")]
_ROW = json.dumps({"contents": _TURNS}) + "\n"


class SteppedBucket(GcsStore):
    """The emulator's bucket, for workers that may die before each call."""

    step: Callable[[], None]

    def copy(self, key: str, to: str) -> str:
        self.step()
        return super().copy(key, to)

    def keys_below(self, folder: str) -> list[str]:
        self.step()
        return super().keys_below(folder)

    def delete(self, key: str) -> None:
        self.step()
        super().delete(key)


@dataclass
class EmulatorLedger(Ledger):
    """The emulator's own ledger, asked through Google's client and a proxy that loses things."""

    vertex: VertexTuning = field(kw_only=True)
    proxy: FaultyProxy = field(kw_only=True)
    bucket: "SteppedBucket" = field(kw_only=True)
    chance: random.Random = field(kw_only=True)

    def store(self, step: Callable[[], None]) -> ObjectStore:
        stepped = copy.copy(self.bucket)
        stepped.step = step
        return stepped

    def create(self, label: str, address: str = "") -> str:
        match self.chance.randrange(8):
            case 0:
                self.proxy.lose_next("answer")
            case 1:
                self.proxy.lose_next("request")
            case 2:
                self.proxy.answer_next("POST", self.chance.choice([404, 408, 409, 499, 500, 503]))
            case _:
                pass
        return self.vertex.submit(
            TuningRequest(
                label, "proj", "gemini-3.1-flash-lite", address, None, "a run",
                Hyperparameters(epochs=1),
            )
        )  # fmt: skip

    def find(self, label: str) -> Sequence[FoundOperation]:
        if self.chance.random() < 0.2:  # noqa: PLR2004
            self.proxy.answer_next("GET", self.chance.choice([429, 500, 503]))
        return self.vertex.find(label)

    def cancel(self, name: str) -> None:
        self.vertex.cancel(name)

    def poll(self, name: str) -> OperationStatus:
        deadline = time.monotonic() + 60
        while (told := self.vertex.poll(name)).state not in FINAL_STATES:
            if time.monotonic() > deadline:
                message = "the tuning never ends"
                raise Unavailable(message)
            time.sleep(0.02)
        return OperationStatus(told.state, told.provider_state)


def crash(
    seed: int, sessions: Any, project_id: str, *, proxy: FaultyProxy, bucket: SteppedBucket
) -> World:
    """Let workers die and stand still as the seed says; return the world after the last one."""
    chance = random.Random(seed)  # noqa: S311  the same run again, nothing secret
    vertex = open_vertex(project=f"crash-{seed}", location="us-central1", endpoint=proxy.url)
    ledger = EmulatorLedger(vertex=vertex, proxy=proxy, bucket=bucket, chance=chance)
    world = World(sessions, project_id, ledger)
    for _ in range(chance.randint(1, 3)):
        fatal, frozen = chance.randrange(STEPS), chance.random() < 0.4  # noqa: PLR2004
        steps = Steps(fatal, partial(world.be_overtaken, cancelled=False) if frozen else None)
        if world.end is None:
            with contextlib.suppress(KilledError):
                world.work(steps)
            set_back(sessions, seconds=100)
    proxy.faults.clear()
    proxy.statuses["POST"].clear()
    world.cancelled = chance.random() < 0.1  # noqa: PLR2004
    world.finish()
    proxy.statuses["GET"].clear()
    return world


def judge(world: World, emulator: EmulatorProcess) -> str:
    """Return how a run has ended: in a word that is well, or told by what is not."""
    row = world.row()
    ours = tunings_of(row.id, emulator) if row else []
    kept = [each["state"] for each in ours if each["state"] != "JOB_STATE_CANCELLED"]
    told = {
        OperationState.SUCCEEDED: "JOB_STATE_SUCCEEDED",
        OperationState.FAILED: "JOB_STATE_FAILED",
    }
    expected = [told[world.end]] if world.end in told and row and row.resource_name else []
    world.forget()
    if kept == expected:
        return f"{world.end}" if len(ours) <= 1 else f"{world.end}, strays cancelled"
    return f"WRONG: {world.end} with {[each['state'] for each in ours]}"


def tunings_of(run_id: str, emulator: EmulatorProcess) -> list[dict[str, Any]]:
    """Return the tunings with a label, but for those that found no rows."""
    return [
        each
        for each in emulator.ledger()["tunings"]
        if each["labels"].get("tunecurve-run") == run_id
        and emulator.request("GET", f"/v1/{each['name']}").get("error", {}).get("code") != NO_ROWS
    ]


def in_process(runs: int, *, seed: int, folder: Path) -> Counter[str]:
    url = f"sqlite:///{folder / 'crashes.db'}"
    upgrade(url)
    sessions = open_sessions(url)
    project_id = add_project(sessions)
    with (
        start_emulator(tuning_seconds=0.1) as emulator,
        start_faulty_proxy(emulator.url) as proxy,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        emulator.configure(**_UNLEARNED)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        bucket = put_rows(folder)
        ends: Counter[str] = Counter()
        for number in range(runs):
            emulator.configure(missing_file="fail" if number % 2 else "refuse")
            world = crash(seed + number, sessions, project_id, proxy=proxy, bucket=bucket)
            ends[judge(world, emulator)] += 1
    sessions.close()
    return ends


def put_rows(folder: Path) -> SteppedBucket:
    (folder / INPUT).write_text(_ROW * 4, encoding="utf-8")
    bucket = SteppedBucket("crashes", "", project="p")
    bucket.put_file(INPUT, folder / INPUT, content_type="application/jsonl")
    return bucket


def with_processes(jobs: int, *, seed: int, folder: Path) -> Counter[str]:
    """Kill and stop the worker of a real fleet while it submits tunings."""
    chance = random.Random(seed)  # noqa: S311
    url = f"sqlite:///{folder / 'fleet.db'}"
    upgrade(url)
    with start_stack(folder, url, settings={"job_attempts": "50"}) as stack:
        stack.start()
        dataset = prepared(stack)
        stack.mark()
        stack.emulator.configure(tuning_seconds=0, drop_after_rate=0.2, drop_before_rate=0.1)
        ids = []
        for number in range(jobs):
            spec = {"dataset": dataset, "train_size": 10, "fresh": True}
            spec |= {"hyperparameters": {"epochs": 1}, "display_name": f"crash {number}"}
            ids.append(stack.submit("tune", spec).id)
            if number % 2:
                strike(stack, chance)
        stack.emulator.configure(drop_after_rate=0, drop_before_rate=0)
        eventually(
            lambda: all(State(stack.job(each).state) not in OPEN for each in ids),
            seconds=300, what="jobs advance",
        )  # fmt: skip
        return Counter(verdict(stack, each) for each in ids)


def prepared(stack: Stack) -> str:
    spec = {"preset": "pii", "source": {"type": "synthetic", "rows": 60, "seed": 0},
            "train_sizes": [10], "test_size": 10}  # fmt: skip
    return stack.succeeded(stack.submit("prepare", spec).id).outputs["dataset"]


def strike(stack: Stack, chance: random.Random) -> None:
    time.sleep(chance.uniform(0, 1.5))
    worker = stack.workers[0]
    if chance.random() < 0.7:  # noqa: PLR2004
        worker.kill()
        stack.workers[0] = stack.fleet.start_worker(GENERAL, name="general")
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGSTOP)
        spare = stack.fleet.start_worker(GENERAL, name="spare")
        time.sleep(FROZEN_SECONDS)
        os.killpg(worker.pid, signal.SIGCONT)
        spare.stop()


def verdict(stack: Stack, job_id: str) -> str:
    with stack.services.sessions.reading() as session:
        row = session.query(TuningRun).filter_by(job_id=job_id).one_or_none()
        intent = row.id if row else ""
    made = [each["state"] for each in tunings_of(intent, stack.emulator)]
    kept = [state for state in made if state != "JOB_STATE_CANCELLED"]
    state = stack.job(job_id).state
    if state == State.SUCCEEDED and kept == ["JOB_STATE_SUCCEEDED"]:
        return "succeeded" if len(made) == 1 else "succeeded, strays cancelled"
    return f"WRONG: {state} with {made}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=950)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crashes"))
    found: dict[str, Counter[str]] = {}
    try:
        if options.runs:
            found["runs"] = in_process(options.runs, seed=options.seed, folder=folder)
        if options.processes:
            found["processes"] = with_processes(
                options.processes, seed=options.seed, folder=folder / "fleet"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return int(any("WRONG" in end for ends in found.values() for end in ends))


if __name__ == "__main__":
    raise SystemExit(main())
