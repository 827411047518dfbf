"""Latency and CPU of submissions and reads under an open load: requests come when they are due,
however slowly the earlier ones are answered.

    .venv/bin/python -m bench.api.load [--database sqlite|postgresql] [--workers 1]
        [--submissions 100] [--reads 400] [--seconds 10]

Prints for submissions, reads and a bare FastAPI route (one select, no key, same database) the
latency from the moment a request was due, and the CPU of the server for a request. The CPU is
the figure that holds on a busy machine; the latencies mean something on an idle one.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import psutil

from bench.api.server_process import ServerProcess, server_process
from service.container import Container
from service.migrations.upgrade import upgrade
from service.projects.operations import create_key, ensure_project
from service.projects.schemas import Scope
from service.settings import Settings
from tests.support.postgres import start_postgres
from tests.support.redis import start_redis

PREPARE = {
    "kind": "prepare",
    "spec": {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": 50, "seed": 1},
        "train_sizes": [20],
        "test_size": 10,
    },
}
_CONNECTIONS = 64
_WARM_UP = 40
_ANSWERED = range(200, 300)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of latency, sorted, and the server's CPU seconds; `failed` had no 2xx."""

    name: str
    latencies: list[float]
    cpu_seconds: float
    failed: int

    def row(self) -> str:
        """Return the figures in milliseconds."""
        count = len(self.latencies)
        p50, p99 = (self.latencies[min(count - 1, int(count * q))] * 1e3 for q in (0.5, 0.99))
        cpu = self.cpu_seconds / count * 1e3
        return f"{self.name:<14}{count:>8}{p50:>10.1f}{p99:>10.1f}{cpu:>10.2f}{self.failed:>8}"


Send = Callable[[aiohttp.ClientSession, int], Any]


async def open_load(
    name: str, url: str, send: Send, *, rate: float, seconds: float, pid: int
) -> Measured:
    """Send `rate` requests a second for `seconds`, each when it is due."""
    latencies: list[float] = []
    failed = 0
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    async with aiohttp.ClientSession(url, connector=connector) as session:

        async def one(number: int, due: float) -> None:
            nonlocal failed
            async with send(session, number) as answer:
                await answer.read()
                failed += answer.status not in _ANSWERED
            latencies.append(time.perf_counter() - due)

        for number in range(_WARM_UP):
            await one(-1 - number, time.perf_counter())
        latencies.clear()
        before, begin = cpu_of(pid), time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number, due)))
        await asyncio.gather(*tasks)
    return Measured(name, sorted(latencies), cpu_of(pid) - before, failed)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and its children."""
    parent = psutil.Process(pid)
    times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def submitting(secret: str) -> Send:
    """Return how a job is submitted."""
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    body = json.dumps(PREPARE).encode()
    return lambda session, _number: session.post("/v1/jobs", data=body, headers=headers)


def reading(job_ids: list[str], secret: str | None) -> Send:
    """Return how a job is read."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return lambda session, number: session.get(
        f"/v1/jobs/{job_ids[number % len(job_ids)]}", headers=headers
    )


def main() -> None:
    """Measure one server, and the bare route on the same database."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--submissions", type=float, default=100, help="a second")
    parser.add_argument("--reads", type=float, default=400, help="a second")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        start_redis() as redis,
        _database(options.database, Path(folder)) as database_url,
    ):
        measure(options, folder=folder, database_url=database_url, broker=redis.url)


@contextlib.contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bench.db'}"
        return
    with start_postgres() as server, server.database() as url:
        yield url


def measure(options: argparse.Namespace, *, folder: str, database_url: str, broker: str) -> None:
    """Print a line for submissions, for reads and for the bare route."""
    environment = {
        "TUNECURVE_DATA_DIR": folder,
        "TUNECURVE_DATABASE_URL": database_url,
        "TUNECURVE_REDIS_URL": broker,
        "TUNECURVE_OPEN_JOBS_LIMIT": "100000",
        "TUNECURVE_REQUESTS_PER_SECOND": "0",
        "TUNECURVE_LOG_LEVEL": "warning",
    }
    upgrade(database_url)
    secret = _key(database_url)
    workers = ["--workers", str(options.workers)] if options.workers > 1 else []
    print(f"{options.database}, {options.workers} worker(s); milliseconds")
    print(f"{'':<14}{'requests':>8}{'p50':>10}{'p99':>10}{'CPU each':>10}{'failed':>8}")
    with server_process("api", ["serve", *workers], environment, probe="/healthz") as server:
        _print("submissions", server, submitting(secret), options.submissions, options.seconds)
        jobs = _job_ids(server, secret)
        _print("reads", server, reading(jobs, secret), options.reads, options.seconds)
    bare = ["bench.api.bare_route:app", "--log-level", "warning"]
    with server_process("uvicorn", bare, environment, probe=f"/v1/jobs/{jobs[0]}") as server:
        _print("bare route", server, reading(jobs, None), options.reads, options.seconds)


def _key(database_url: str) -> str:
    container = Container(Settings(_env_file=None, database_url=database_url))
    project = ensure_project("default", sessions=container.sessions)
    key = create_key(project, name="bench", scopes=Scope, sessions=container.sessions)
    container.close()
    return key.secret


def _job_ids(server: ServerProcess, secret: str) -> list[str]:
    headers = {"Authorization": f"Bearer {secret}"}
    answer = httpx2.get(f"{server.url}/v1/jobs?limit=100", headers=headers, trust_env=False)
    return [job["id"] for job in answer.json()["data"]]


def _print(name: str, server: ServerProcess, send: Send, rate: float, seconds: float) -> None:
    load = open_load(name, server.url, send, rate=rate, seconds=seconds, pid=server.pid)
    print(asyncio.run(load).row(), flush=True)  # noqa: TID251


if __name__ == "__main__":
    main()
