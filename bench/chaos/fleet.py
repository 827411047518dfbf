"""The processes that a storm strikes, and the supervisor that starts again what has ended."""

import contextlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import httpx2

from bench.chaos.machine import Clocks
from tests.support.fleet import FleetProcess, worker_words
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.stack import GENERAL, Stack

PROVIDER_FAULTS = {"error_500_rate": 0.07, "error_503_rate": 0.07, "drop_before_rate": 0.06}
PROVIDER_PACE = {"latency_seconds": 0.2, "tuning_seconds": 3}


class Member(Protocol):
    """One process, or one server with its processes, that is killed and started again."""

    def is_alive(self) -> bool: ...

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def pause(self) -> None: ...

    def wake(self) -> None: ...


class OwnProcess:
    """A process of ours, by the clock of its machine."""

    def __init__(
        self, stack: Stack, name: str, words: Sequence[str], env: Mapping[str, str]
    ) -> None:
        self._fleet, self._name, self._words, self._env = stack.fleet, name, words, env
        self._process: FleetProcess | None = None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        self._fleet.env.update(self._env)
        self._process = self._fleet.start(self._name, self._words)

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Provider:
    """The emulator: it comes back with its tunings and buckets, as faulty as it was."""

    def __init__(self, stack: Stack, state: Any) -> None:
        self._emulator, self._state = stack.emulator, state
        self.config: dict[str, float] = dict(PROVIDER_PACE)

    def configure(self, **config: float) -> None:
        self.config |= config
        self._emulator.configure(**self.config)

    def is_alive(self) -> bool:
        return self._emulator.process.poll() is None

    def start(self) -> None:
        if not self.is_alive():
            self._emulator.start_again(self._state, **self.config)

    def kill(self) -> None:
        self._emulator.kill()

    def pause(self) -> None:
        self._emulator.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._emulator.process.send_signal(signal.SIGCONT)


class Broker:
    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis
        self.pause, self.wake, self.kill = redis.freeze, redis.wake, redis.kill

    def is_alive(self) -> bool:
        return self._redis.has_process()

    def start(self) -> None:
        if not self.is_alive():
            self._redis.start()


class Database:
    """PostgreSQL; it also ends by itself, where its disk is full."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.kill, self.is_alive = server.kill, server.is_up

    def start(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self._server.start_again()

    def pause(self) -> None:
        """Not here: a backend that stands still holds its locks for as long, as any client may."""

    def wake(self) -> None: ...


class Members:
    """Everything that runs, by name, and what has ended without being killed."""

    def __init__(
        self,
        stack: Stack,
        clocks: Clocks,
        *,
        postgres: PostgresServer | None,
        state: Any,
        port: int,
    ) -> None:
        self.port = port
        words = {
            "general worker": worker_words(GENERAL, name="general"),
            "evaluate worker": worker_words("evaluate", name="evaluate"),
            "ticker": ("workers.ticker",),
            "API": ("api", "serve", "--port", str(self.port)),
        }
        self.provider = Provider(stack, state)
        self.all: dict[str, Member] = {
            name: OwnProcess(
                stack,
                name.replace(" ", "-"),
                each,
                # SQLite knows one machine; with PostgreSQL each has one, and its own clock.
                clocks.env(name.replace(" ", "-") if postgres else "machine"),
            )
            for name, each in words.items()
        }
        self.all |= {"emulator": self.provider, "Redis": Broker(stack.redis)}
        if postgres:
            self.all["PostgreSQL"] = Database(postgres)
        self.ended: Counter[str] = Counter()
        self._killed: set[str] = set(words)

    def kill(self, name: str) -> None:
        self._killed.add(name)
        self.all[name].kill()

    def supervise(self) -> None:
        """Start what has ended; what cannot start, on a full disk, is tried again."""
        for name, member in self.all.items():
            if member.is_alive():
                continue
            if name not in self._killed:
                self.ended[name] += 1
            self._killed.discard(name)
            with contextlib.suppress(OSError, RuntimeError, httpx2.HTTPError):
                member.start()
