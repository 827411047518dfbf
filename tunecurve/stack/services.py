"""The commands of the stack's processes. Pure."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tunecurve.stack.processes import Service

HOST = "127.0.0.1"

_REDIS, _EMULATOR, _API, _WORK = range(4)
# Warm stop: a worker may finish what takes seconds. A longer job's lease expires and it resumes.
_WORKER_GRACE_SECONDS = 4.0
_WORKER_SLOTS = 2
_GENERAL_QUEUES = "prepare,tune,poll,experiment,notify"


def redis_service(
    command: tuple[str, ...], *, environment: Mapping[str, str], lock: Path
) -> Service:
    return Service("redis", command, stage=_REDIS, environment=environment, lock=lock)


def emulator_service(folder: Path, *, port: int, environment: Mapping[str, str]) -> Service:
    """Return the emulator; port 0 lets it pick one, which it prints."""
    command = (
        *(sys.executable, "-m", "emulator"),
        *("--host", HOST, "--port", str(port), "--state", str(folder)),
        *("--parent-pid", str(os.getpid())),
    )
    lock = folder.parent / "emulator.lock"
    return Service("emulator", command, stage=_EMULATOR, environment=environment, lock=lock)


def migrate_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "api", "migrate")


def api_service(*, port: int, environment: Mapping[str, str]) -> Service:
    command = (sys.executable, "-m", "api", "serve", "--host", HOST, "--port", str(port))
    return Service("api", command, stage=_API, environment=environment)


def work_services(environment: Mapping[str, str]) -> tuple[Service, ...]:
    """Return two workers, so that evaluations never keep the rest from running, and the ticker."""
    return (
        _worker("general", _GENERAL_QUEUES, environment),
        _worker("evaluate", "evaluate", environment),
        Service(
            "ticker",
            (sys.executable, "-m", "workers.ticker"),
            stage=_WORK,
            environment=environment,
        ),
    )


def _worker(name: str, queues: str, environment: Mapping[str, str]) -> Service:
    command = (
        *(sys.executable, "-m", "workers", "--queues", queues),
        *("--concurrency", str(_WORKER_SLOTS), "--name", f"{name}@%h"),
    )
    return Service(
        f"worker-{name}",
        command,
        stage=_WORK,
        grace_seconds=_WORKER_GRACE_SECONDS,
        environment=environment,
    )
