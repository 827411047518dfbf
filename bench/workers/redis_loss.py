"""How often a worker goes deaf when Redis dies while all its slots end tasks; beside kombu's own.

`python bench/workers/redis_loss.py [--trials 20]`: each trial keeps Redis away for a random while
around the end of two tasks, then sends one more and waits for it to end.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from service.task_queue import Queue
from tests.support.fleet import FleetProcess, ProcessFleet, start_fleet
from tests.support.redis import RedisServer, queue_of, start_redis

_TASK_SECONDS = 2.0
_AWAY_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 3.5)
_HEARING_SECONDS = 20.0
_SLOW = "tests.support.slow_task"
_INCLUDES = {"ours": _SLOW, "kombu 5.6.2": f"{_SLOW},tests.support.kombu_transport"}


def main() -> None:
    """Print one line for each transport."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    options = parser.parse_args()
    for name, include in _INCLUDES.items():
        deaf = _deaf_trials(include, options.trials)
        print(f"{name}: deaf or dead after {deaf} of {options.trials} losses of Redis")


def _deaf_trials(include: str, trials: int) -> int:
    folder, chance = Path(tempfile.mkdtemp()), random.Random(0)  # noqa: S311
    deaf = 0
    with start_redis() as redis:
        env = {"TUNECURVE_REDIS_URL": redis.url, "TUNECURVE_DATA_DIR": str(folder)}
        with start_fleet(folder, env) as fleet:
            worker: FleetProcess | None = None
            for trial in range(trials):
                if worker is None or not worker.is_alive():
                    worker = _start(fleet, include)
                if not _hears_after_a_loss(redis, folder, f"{trial}", chance):
                    deaf += 1
                    worker.kill()
                    redis.wipe()
    return deaf


def _start(fleet: ProcessFleet, include: str) -> FleetProcess:
    return fleet.start_worker("prepare,tune", include=include)


def _hears_after_a_loss(
    redis: RedisServer, folder: Path, trial: str, chance: random.Random
) -> bool:
    queue, away = queue_of(redis, folder), chance.choice(_AWAY_SECONDS)
    for slot in ("one", "two"):
        queue.send("tests.slow", str(folder), slot + trial, str(_TASK_SECONDS), queue=Queue.PREPARE)
    if not all(_appears(folder / f"{slot}{trial}.started") for slot in ("one", "two")):
        return False
    time.sleep(max(0.0, _TASK_SECONDS - away * chance.random()))
    redis.kill()
    time.sleep(away)
    redis.start()
    queue.send("tests.slow", str(folder), f"after{trial}", "0", queue=Queue.TUNE)
    return _appears(folder / f"after{trial}.ended")


def _appears(file: Path) -> bool:
    until = time.monotonic() + _HEARING_SECONDS
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return file.exists()


if __name__ == "__main__":
    main()
