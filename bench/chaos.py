"""A storm over a whole fleet: what is killed, frozen, cut, wiped and refused, and what it cost.

    python -m bench.chaos --seconds 120 [--database postgresql] [--seed 0]

Every five seconds one fault strikes while experiments and evaluations run and the provider fails
a fifth of its calls. Ends with 1 unless, within 60 s of the storm, every job has ended truly, each
tuning was made once, no more calls were repeated than were in flight at the kills, and a job on
every queue still runs. Not part of it: full disks and clocks that are moved, which need rights
that a bench should not ask for.
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
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.jobs.lifecycle import OPEN, State
from service.migrations.upgrade import upgrade
from tests.support.eventually import eventually
from tests.support.postgres import start_postgres
from tests.support.stack import GENERAL, Stack, start_stack

STRIKE_SECONDS = 5.0
CALM_SECONDS = 60.0
FROZEN_SECONDS = 8.0  # longer than a lease
IN_FLIGHT = 8  # calls of one slot; a worker has two
ROWS = 60
_SETTINGS = {"cache_days": "0", "calls_in_flight": str(IN_FLIGHT), "call_attempts": "12"}
_PROVIDER_FAULTS = {"error_500_rate": 0.07, "error_503_rate": 0.07, "drop_before_rate": 0.06}
_WELL = dict.fromkeys(_PROVIDER_FAULTS, 0.0)
_QUEUES = {0: GENERAL, 1: "evaluate"}


class Storm:
    """The faults, and what they have struck; each one leaves the fleet as it found it."""

    def __init__(self, stack: Stack, *, seed: int) -> None:
        self.stack, self.struck, self.kills_of_calls = stack, Counter[str](), 0
        self._random = random.Random(seed)  # noqa: S311  the same storm again, nothing secret
        self._faults = {
            "worker killed": self._kill_worker,
            "ticker killed": self._kill_ticker,
            "worker frozen": self._freeze_worker,
            "connections cut": self._cut_connections,
            "Redis killed": self._kill_redis,
            "Redis flushed": self.stack.redis.wipe,
            "Redis full": self._fill_redis,
        }

    def strike(self) -> None:
        self.supervise()
        name = self._random.choice(list(self._faults))
        self._faults[name]()
        self.struck[name] += 1

    def supervise(self) -> None:
        """Start a worker again that has ended by itself, as a supervisor does."""
        for place, worker in enumerate(self.stack.workers):
            if not worker.is_alive():
                self.struck["worker ended by itself"] += 1
                self.kills_of_calls += place == 1
                self._start_worker(place)

    def _kill_worker(self) -> None:
        place = self._random.randrange(len(self.stack.workers))
        self.stack.workers[place].kill()
        self.kills_of_calls += place == 1
        self._start_worker(place)

    def _start_worker(self, place: int) -> None:
        self.stack.workers[place] = self.stack.fleet.start_worker(
            _QUEUES[place], name=("general", "evaluate")[place]
        )

    def _kill_ticker(self) -> None:
        ticker = next(each for each in self.stack.fleet.processes[::-1] if each.name == "ticker")
        ticker.kill()
        self.stack.fleet.start_ticker()

    def _freeze_worker(self) -> None:
        place = self._random.randrange(len(self.stack.workers))
        worker = self.stack.workers[place]
        self.kills_of_calls += place == 1  # taken over: its calls are made again
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGSTOP)
            time.sleep(FROZEN_SECONDS)
            os.killpg(worker.pid, signal.SIGCONT)

    def _cut_connections(self) -> None:
        with self.stack.redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        engine = self.stack.services.sessions.engine
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    def _kill_redis(self) -> None:
        self.stack.redis.kill()
        time.sleep(self._random.uniform(0.2, 4))
        self.stack.redis.start()

    def _fill_redis(self) -> None:
        with self.stack.redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
            time.sleep(4)
            client.config_set("maxmemory", 0)


def rage(storm: Storm, *, seconds: float) -> list[str]:
    """Strike every five seconds while jobs are submitted; return the ids of the jobs."""
    stack, jobs = storm.stack, [prepared(storm.stack)]
    dataset = stack.job(jobs[0]).outputs["dataset"]
    stack.emulator.configure(latency_seconds=0.2, tuning_seconds=3, **_PROVIDER_FAULTS)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        number = len(jobs)
        spec: dict[str, Any] = {"dataset": dataset, "seed": number}
        kind = "experiment" if number % 4 == 1 else "evaluate"
        spec |= {"shots": 0, "fresh": True} if kind == "experiment" else {"variant": "zero_shot"}
        jobs.append(stack.submit(kind, spec).id)
        storm.strike()
        time.sleep(STRIKE_SECONDS)
    stack.emulator.configure(**_WELL)
    return jobs


def prepared(stack: Stack) -> str:
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": 300, "seed": 0},
        "train_sizes": [10],
        "test_size": ROWS,
    }
    return stack.succeeded(stack.submit("prepare", spec).id).id


def verdict(storm: Storm, jobs: list[str]) -> dict[str, Any]:
    """Wait for the calm, and return what the storm has done."""
    stack, began = storm.stack, time.monotonic()
    with contextlib.suppress(AssertionError):
        eventually(lambda: has_calmed(storm, jobs), seconds=3 * CALM_SECONDS, what="jobs go on")
    calm = time.monotonic() - began
    ends = Counter(f"{stack.job(each).kind} {stack.job(each).state}" for each in jobs)
    children = [child for each in jobs for child in stack.children(each)]
    tunes = [child for child in children if child.kind == "tune"]
    found = {
        "struck": dict(storm.struck),
        "ends": dict(ends),
        "errors": sorted({str(each.error["code"]) for each in children if each.error}),
        "calm_seconds": round(calm, 1),
        "tunings_asked": len(tunes),
        "tunings_made": len(stack.new_tunings()),
        "repeated_calls": stack.spent("repeated_prompts"),
        "repeated_calls_bound": storm.kills_of_calls * 2 * IN_FLIGHT,
        "calls": stack.spent("calls_accepted"),
        "workers_alive": all(worker.is_alive() for worker in stack.workers),
        "deaf": not hears(stack),
    }
    found["holds"] = (
        calm <= CALM_SECONDS
        and all(name.endswith(State.SUCCEEDED.value) for name in ends)
        and found["tunings_made"] == found["tunings_asked"]
        and found["repeated_calls"] <= found["repeated_calls_bound"]
        and found["workers_alive"]
        and not found["deaf"]
    )
    return found


def has_calmed(storm: Storm, jobs: list[str]) -> bool:
    storm.supervise()
    return all(State(storm.stack.job(each).state) not in OPEN for each in jobs)


def hears(stack: Stack) -> bool:
    """Return whether every worker still takes a job."""
    try:
        dataset = stack.job(prepared(stack)).outputs["dataset"]
        spec = {"dataset": dataset, "variant": "zero_shot", "seed": 10**6}
        stack.succeeded(stack.submit("evaluate", spec).id)
    except AssertionError:
        return False
    return True


@contextlib.contextmanager
def database(name: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a fresh, migrated database."""
    with contextlib.ExitStack() as resources:
        if name == "postgresql":
            url = resources.enter_context(resources.enter_context(start_postgres()).database())
        else:
            url = f"sqlite:///{folder / 'chaos.db'}"
        upgrade(url)
        yield url


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos"))
    try:
        with (
            database(options.database, folder) as url,
            start_stack(folder, url, settings=_SETTINGS) as stack,
        ):
            stack.start()
            stack.mark()
            storm = Storm(stack, seed=options.seed)
            found = verdict(storm, rage(storm, seconds=options.seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
