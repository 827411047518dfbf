"""10,000 tunings that run at once: are all polled in time, and what does that cost?

    .venv/bin/python -m bench.jobs.polling [--database postgresql] [--interval 300] [--count 10000]

Two real workers and the ticker on a real Redis poll a provider of this process over HTTP. Windows:
as ever; after Redis was flushed; while every call is answered 503; until all are polled again.
Some tunings end in the outage, and their jobs must end. Prints JSON. `--interval` is the
longest pause between two polls, which tunings of this age have (300 s by default in service); the
outage is a part of it, so a shorter one shortens the outage as well: `--outage 2` is ten minutes of
300 s. `gap_in_intervals` counts the outage, `wait_in_intervals` from the provider's return on.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.jobs.polling_world import PollingWorld, start_polling
from bench.workers.cpu import cpu_seconds
from service.migrations.upgrade import upgrade
from tests.support.eventually import eventually
from tests.support.postgres import start_postgres
from tests.support.redis import start_redis

_ENDING = 50  # one tuning in so many ends in the outage
_PATIENCE_SECONDS = 600


def measure(world: PollingWorld, *, interval: float, outage: float) -> dict[str, Any]:
    """Return the figures of each window."""
    _watch(world, interval / 4, every=interval / 20)  # imports what workers need
    windows = {"as ever": _window(world, interval * 1.5, interval=interval)}
    world.redis.wipe()
    windows["after a flush of Redis"] = _window(world, interval * 1.2, interval=interval)
    world.server.is_down = True
    world.server.ended = set(range(0, world.server.count, _ENDING))
    windows["outage"] = _window(world, interval * outage, interval=interval)
    world.server.is_down = False
    windows["until all are polled again"] = _recovery(world, interval=interval)
    running = world.server.count - len(world.server.ended)
    eventually(
        lambda: world.open_jobs() == running,
        seconds=_PATIENCE_SECONDS,
        pause=1,
        what="jobs of ended tunings have not ended",
    )
    jobs = {"ended": world.server.count - world.open_jobs(), "open": world.open_jobs()}
    return {"windows": windows, "ended_in_the_outage": len(world.server.ended), "jobs": jobs}


def _window(world: PollingWorld, seconds: float, *, interval: float) -> dict[str, Any]:
    with _measured(world, interval) as figures:
        _watch(world, seconds, every=interval / 20)
    return figures


def _recovery(world: PollingWorld, *, interval: float) -> dict[str, Any]:
    world.look()
    world.up_at = up = world.sessions.now()
    with _measured(world, interval) as figures:
        eventually(
            lambda: world.are_polled_since(up),
            seconds=_PATIENCE_SECONDS,
            pause=1,
            what="not all are polled again after the outage",
        )
        world.look()
    return figures | {"wait_in_intervals": _percentiles(sorted(world.waits), interval)}


def _watch(world: PollingWorld, seconds: float, *, every: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        world.look()
        time.sleep(every)
    world.look()


@contextmanager
def _measured(world: PollingWorld, interval: float) -> Iterator[dict[str, Any]]:
    """Yield a dictionary that has the figures of the block after it."""
    figures: dict[str, Any] = {}
    world.look()
    world.gaps.clear()
    calls, workers, ticker, began = dict(world.server.calls), *_cpu(world), time.monotonic()
    yield figures
    seconds, thousands = time.monotonic() - began, world.server.count / 1000
    spent = [after - before for after, before in zip(_cpu(world), (workers, ticker), strict=True)]
    overdue = [wait for wait in world.waiting_seconds() if wait > 2 * interval]
    gaps = sorted(world.gaps)
    in_time = sum(gap <= 2 * interval for gap in gaps)
    polls = len(gaps)
    figures |= {
        "seconds": round(seconds, 1),
        "polls": polls,
        "share_within_twice": round(in_time / max(1, polls + len(overdue)), 4),
        "gap_in_intervals": _percentiles(gaps, interval),
        "cpu_percent_per_1000": {
            "workers": round(100 * spent[0] / seconds / thousands, 2),
            "ticker": round(100 * spent[1] / seconds / thousands, 2),
        },
        "worker_cpu_ms_per_poll": round(1000 * spent[0] / polls, 2) if polls else None,
        "calls": _difference(world.server.calls, calls),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu(world: PollingWorld) -> tuple[float, float]:
    return cpu_seconds(each.pid for each in world.workers), cpu_seconds([world.ticker.pid])


def _percentiles(gaps: Sequence[float], interval: float) -> dict[str, float]:
    """Return pauses between polls in intervals: the median, the 99th percentile, the longest."""
    if not gaps:
        return {}
    places = {"p50": len(gaps) // 2, "p99": len(gaps) * 99 // 100, "longest": len(gaps) - 1}
    return {name: round(gaps[place] / interval, 2) for name, place in places.items()}


def _difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in after.items()}


def main() -> None:
    """Run on one database and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=300, help="seconds")
    parser.add_argument("--outage", type=float, default=2, help="in intervals")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="polling-")))
        url = f"sqlite:///{folder / 'bench.db'}"
        if options.database == "postgresql":
            server = stack.enter_context(start_postgres())
            url = stack.enter_context(server.database())
        upgrade(url)
        redis = stack.enter_context(start_redis())
        world = start_polling(
            folder, url, redis, count=options.count, interval=options.interval, afresh=True
        )
        figures = measure(
            stack.enter_context(world), interval=options.interval, outage=options.outage
        )
        print(json.dumps(vars(options) | {"cores": os.cpu_count()} | figures, indent=2))


if __name__ == "__main__":
    main()
