"""The faults of a storm, what they have struck, and how many calls each may have made anew."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import redis
from sqlalchemy.exc import SQLAlchemyError

from bench.chaos.fleet import PROVIDER_FAULTS, Members
from bench.chaos.machine import Clocks, Disk
from tests.support.stack import Stack

KILL_SECONDS = 5.0
LEASE_SECONDS = 10.0
HELD_SECONDS = 12.0
IN_FLIGHT = 8  # calls of one slot; a worker has two
# Their end ends calls, or the lease of the job that makes them.
_ASKING = ("evaluate worker", "emulator", "PostgreSQL")


class Storm:
    """Kills a process every five seconds; beside it, one other fault after another."""

    def __init__(
        self, stack: Stack, members: Members, *, clocks: Clocks, disk: Disk, seed: int
    ) -> None:
        self.struck: Counter[str] = Counter()
        self.calls_lost = 0  # at most, of those in flight at a fault
        self._stack, self._members, self._clocks, self._disk = stack, members, clocks, disk
        self._kills = random.Random(seed)  # noqa: S311  the same storm again, nothing secret
        self._draw = random.Random(seed + 1)  # noqa: S311
        self._over = threading.Event()
        self._on_sqlite = stack.services.sessions.engine.dialect.name == "sqlite"

    def rage(self, *, seconds: float) -> None:
        """Strike for so long; leave everything running and the provider well."""
        others = threading.Thread(target=self._strike_others, daemon=True)
        self._members.provider.configure(**PROVIDER_FAULTS)
        others.start()
        ends = time.monotonic() + seconds
        while (now := time.monotonic()) < ends:
            self._kill_one()
            while time.monotonic() < min(now + KILL_SECONDS, ends):
                self._members.supervise()
                time.sleep(0.5)
        self._over.set()
        while others.is_alive():
            self._members.supervise()
            others.join(0.5)
        self._members.supervise()
        self._members.provider.configure(**dict.fromkeys(PROVIDER_FAULTS, 0.0))

    def _kill_one(self) -> None:
        name = self._kills.choice(list(self._members.all))
        self._members.kill(name)
        self._note(f"{name} killed", loses_calls=name in _ASKING)

    def _note(self, fault: str, *, loses_calls: bool = False) -> None:
        self.struck[fault] += 1
        if loses_calls:
            self.calls_lost += 2 * IN_FLIGHT

    def _strike_others(self) -> None:
        faults = [self._pause, self._cut_connections, self._wipe_redis, self._fill_redis]
        faults += [self._fill_disk] * self._disk.can_fill
        faults += [self._step_clock] * self._clocks.can_move
        waiting: list[Callable[[], None]] = []
        while not self._over.wait(self._draw.uniform(1, 5)):
            if not waiting:  # each has its turn, in a short storm too
                waiting = self._draw.sample(faults, len(faults))
            # Redis and PostgreSQL may be away, which is part of it.
            with contextlib.suppress(redis.RedisError, SQLAlchemyError, OSError):
                waiting.pop()()

    def _hold(self) -> None:
        self._over.wait(HELD_SECONDS)

    def _pause(self) -> None:
        name = self._draw.choice([each for each in self._members.all if each != "PostgreSQL"])
        member = self._members.all[name]
        self._note(f"{name} frozen", loses_calls=name == "evaluate worker")
        member.pause()
        self._hold()
        member.wake()

    def _cut_connections(self) -> None:
        self._note("connections cut")
        with self._stack.redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        if self._on_sqlite:
            return
        with self._stack.services.sessions.engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def _wipe_redis(self) -> None:
        self._note("Redis flushed")
        self._stack.redis.wipe()

    def _fill_redis(self) -> None:
        self._note("Redis full")
        with self._stack.redis.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 1)
        self._hold()
        with self._stack.redis.client() as client:
            client.config_set("maxmemory", 0)

    def _fill_disk(self) -> None:
        self._note("disk full", loses_calls=True)
        self._disk.fill()
        self._hold()
        self._disk.empty()

    def _step_clock(self) -> None:
        # There and back: on SQLite a lease is over at once, by the one clock that there is.
        for _ in range(2):
            self._note("clock moved", loses_calls=self._on_sqlite)
        self._clocks.step(self._draw)
        self._hold()
        self._clocks.correct()
