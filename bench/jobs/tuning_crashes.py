"""Tunings whose worker is killed or stands still, and whose connection is cut: each is made once.

    .venv/bin/python -m bench.jobs.tuning_crashes [--runs 950] [--processes 50] [--database sqlite]

`runs` are seeded: in each the workers of this process run a `tune` job against the emulator with
Google's client, and up to three of them are killed or stand still at a random step, while requests,
answers and lists are lost on the way, or a request is cut off and carried out later, perhaps after
its successor; one job in ten is cancelled. `processes` are tune jobs of a
real fleet whose Celery worker is killed with SIGKILL or stopped for longer than its lease and then
woken. Ends with 1 unless the emulator's ledger has one tuning for each intent and every job, with
its model, ended as its tuning did. What was made of a request whose rows had been taken away is no
tuning: it can train nothing, and is counted apart. A second tuning that was cancelled as a stray is
named in the end. No run starts after so many `minutes`.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.jobs.crash_world import CrashServices, CrashWorld, CutVertex
from service.database import Sessions
from service.datasets.operations import PREPARE, run_prepare
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job
from service.migrations.upgrade import upgrade
from service.settings import Settings
from service.tuning.models import TunedModel, TuningRun
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually
from tests.support.faulty_proxy import start_faulty_proxy
from tests.support.postgres import start_postgres
from tests.support.runs import add_project, reserve_run
from tests.support.stack import GENERAL, Stack, start_stack

STEPS = 16  # of a tuning that nothing goes wrong with, about
TRAIN_SIZE = 10
PREPARED = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 60, "seed": 0},
    "train_sizes": [TRAIN_SIZE],
    "test_size": 10,
}
NO_ROWS = 5  # the code of a tuning whose rows are not there
FROZEN_SECONDS = 9.0  # longer than a lease and the time to settle
BUCKET = "crashes"
DONE, FAILED, CANCELLED = (f"JOB_STATE_{end}" for end in ("SUCCEEDED", "FAILED", "CANCELLED"))

Tuning = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job says that it has ended, and of which tuning it says so."""

    state: State
    intent: str
    resource_name: str
    model: str

    def verdict(self, made: Sequence[Tuning]) -> str:
        """Return the end in words; "WRONG" where the tunings that were made say another."""
        kept = [each for each in made if each["state"] != CANCELLED]
        if [each["state"] for each in kept] != self._expected() or self.state in OPEN:
            return f"WRONG: {self.state} with {[each['state'] for each in made]}"
        if self.state is State.SUCCEEDED and not (self.model and self._is_of(kept[0])):
            return f"WRONG: {self.state} without the model of its tuning"
        strays = len(made) > max(len(kept), 1)
        return f"{self.state}, strays cancelled" if strays else str(self.state)

    def _expected(self) -> list[str]:
        if self.state is State.SUCCEEDED:
            return [DONE]
        return [FAILED] if self.state is State.FAILED and self.resource_name else []

    def _is_of(self, tuning: Tuning) -> bool:
        names = (tuning["name"], self.resource_name)
        return len({name.rpartition("/")[2] for name in names}) == 1


def crash(world: CrashWorld, *, chance: random.Random) -> None:
    """Let up to three workers die or stand still; then cancel one job in ten, and see it end."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(STEPS)
        if chance.random() < 0.4:  # noqa: PLR2004
            world.freeze(at)
        else:
            world.be_killed(at)
    world.vertex.proxy.faults.clear()
    world.vertex.proxy.statuses["POST"].clear()
    if chance.random() < 0.1:  # noqa: PLR2004
        world.cancel()
    world.finish()
    world.vertex.proxy.statuses["GET"].clear()
    world.vertex.proxy.deliver_late()
    world.let_time_pass()


def ended_job(job_id: str, sessions: Sessions) -> Ended:
    with sessions.reading() as session:
        job = session.get_one(Job, job_id)
        row = session.query(TuningRun).filter_by(job_id=job_id).one_or_none()
        model = session.query(TunedModel).filter_by(job_id=job_id).one()
    return Ended(
        State(job.state),
        row.id if row else "",
        (row.resource_name if row else None) or "",
        (model.resource_name if model.ready_at else None) or "",
    )


class Made:
    """The tunings of the emulator's ledger by their intent, and how many were made without rows.

    Those had none when they were made, or none any more when they would have read them.
    """

    def __init__(self, emulator: EmulatorProcess) -> None:
        self.without_rows = 0
        self._tunings: dict[str, list[Tuning]] = defaultdict(list)
        for each in emulator.ledger()["tunings"]:
            if each["had_rows"] and not _found_no_rows(each, emulator):
                self._tunings[each["labels"].get("tunecurve-run", "")].append(each)
            else:
                self.without_rows += 1
                _require_untrained(each)

    def verdicts(self, ends: Mapping[str, Ended]) -> Counter[str]:
        """Count how jobs ended; `ends` are by a name that a wrong one is shown with."""
        verdicts = {name: each.verdict(self._tunings[each.intent]) for name, each in ends.items()}
        counts = Counter(
            f"{word} ({name})" if "WRONG" in word else word for name, word in verdicts.items()
        )
        return counts + Counter({"tunings made without rows": self.without_rows})


def _found_no_rows(tuning: Tuning, emulator: EmulatorProcess) -> bool:
    if tuning["state"] != FAILED:
        return False
    code: int = emulator.request("GET", f"/v1/{tuning['name']}").get("error", {}).get("code")
    return code == NO_ROWS


def _require_untrained(tuning: Tuning) -> None:
    if tuning["trained_tokens"] or tuning["training_rows"] or tuning["state"] == DONE:
        message = f"a tuning without rows has trained: {tuning}"
        raise AssertionError(message)


def in_process(
    runs: int, *, seed: int, seconds: float, folder: Path, database_url: str
) -> Counter[str]:
    ends_at = time.monotonic() + seconds
    with (
        start_emulator(tuning_seconds=0.1) as emulator,
        start_faulty_proxy(emulator.url) as proxy,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        services, project_id, dataset = open_services(folder, emulator, database_url)
        ends: dict[str, Ended] = {}
        for number in range(seed, seed + runs):
            if time.monotonic() > ends_at:
                break
            emulator.configure(missing_file="fail" if number % 2 else "refuse")
            chance = random.Random(number)  # noqa: S311  the same run again, nothing secret
            vertex = CutVertex(
                project=f"crash-{number}", location="us-central1", endpoint=proxy.url
            )
            vertex.proxy, vertex.chance = proxy, chance
            world = CrashWorld(services, project_id, dataset, TRAIN_SIZE, vertex)
            crash(world, chance=chance)
            ends[f"seed {number}"] = ended_job(world.job_id, services.sessions)
        counted = Made(emulator).verdicts(ends)
        services.close()
    return counted


def open_services(
    folder: Path, emulator: EmulatorProcess, database_url: str
) -> tuple[CrashServices, str, str]:
    """Return the services of a new database, a project of it, and its dataset."""
    upgrade(database_url)
    settings = Settings(
        database_url=database_url,
        data_dir=folder,
        storage=f"gs://{BUCKET}",
        vertex_endpoint=emulator.url,
        google_cloud_project="crash",
    )
    services = CrashServices(settings)
    project_id = add_project(services.sessions)
    run = reserve_run(PREPARE, PREPARED, project_id=project_id, sessions=services.sessions)
    run_prepare(
        run,
        sessions=services.sessions,
        store=services.bucket,
        limits=services.file_limits,
        google_project="crash",
        catalogue=services.catalogue,
    )
    return services, project_id, run.outputs["dataset"]


def with_processes(jobs: int, *, seed: int, folder: Path, database_url: str) -> Counter[str]:
    """Kill and stop the worker of a real fleet while it submits tunings."""
    chance = random.Random(seed)  # noqa: S311
    upgrade(database_url)
    with start_stack(folder, database_url, settings={"job_attempts": "50"}) as stack:
        stack.start()
        dataset = stack.succeeded(stack.submit("prepare", PREPARED).id).outputs["dataset"]
        stack.mark()
        stack.emulator.configure(tuning_seconds=0, drop_after_rate=0.2, drop_before_rate=0.1)
        ids = []
        for number in range(jobs):
            spec = {"dataset": dataset, "train_size": TRAIN_SIZE, "fresh": True}
            spec |= {"hyperparameters": {"epochs": 1}, "display_name": f"crash {number}"}
            ids.append(stack.submit("tune", spec).id)
            if number % 2:
                strike(stack, chance)
        stack.emulator.configure(drop_after_rate=0, drop_before_rate=0)
        eventually(
            lambda: all(State(stack.job(each).state) not in OPEN for each in ids),
            seconds=300, what="jobs advance",
        )  # fmt: skip
        ends = {each: ended_job(each, stack.services.sessions) for each in ids}
        return Made(stack.emulator).verdicts(ends)


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=950)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    seconds, found = 60 * options.minutes, {}
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="crashes"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        urls = [f"sqlite:///{folder / name}" for name in ("crashes.db", "fleet.db")]
        if options.database == "postgresql":
            server = stack.enter_context(start_postgres())
            urls = [stack.enter_context(server.database()) for _ in urls]
        place: dict[str, Any] = {"seed": options.seed, "folder": folder}
        if options.runs:
            found["runs"] = in_process(options.runs, seconds=seconds, database_url=urls[0], **place)
        if options.processes:
            found["processes"] = with_processes(options.processes, database_url=urls[1], **place)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return int(any("WRONG" in end for ends in found.values() for end in ends))


if __name__ == "__main__":
    raise SystemExit(main())
