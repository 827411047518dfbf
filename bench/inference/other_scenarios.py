"""The scenarios that are no race against a quota: fairness, overhead, memory, cache."""

import time

from bench.inference.fleet import House, Meter, open_house
from bench.inference.measurements import Measurement
from bench.inference.quota_model import QuotaModel, ideal_seconds
from bench.inference.scenarios import PACED, numbered
from bench.inference.thresholds import OURS, OURS_FEW
from service.jobs.lifecycle import State

BIG, SMALL = 20_000, 200
OVERHEAD_ROWS = 5_000
FEW, MANY = 2_000, 100_000
CACHED_ROWS = 10_000
FREE = QuotaModel()
UNPACED = {"requests_per_minute": "60000000", "burst_seconds": "1"}


def fair(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """A job of 20,000 rows first, then one of 200: how long the second takes of its fair share.

    Two slots are for shards and one is left over, as in docker-compose.yml.
    """
    settings = {"requests_per_minute": "6000", "burst_seconds": "1", "evaluate_slots": "2"}
    with open_house(settings, workers=3) as house:
        rows = BIG // 4 if quick else BIG
        big = house.dataset(numbered("big", round_number, rows))
        small = house.dataset(numbered("small", round_number, SMALL))
        house.stack.emulator.configure(**PACED.config())
        first = house.evaluate(big)
        time.sleep(5)
        began = time.monotonic()
        second = house.evaluate(small)
        house.stack.succeeded(second.id, seconds=300)
        took = time.monotonic() - began
        cancelled_at = time.monotonic()
        house.stack.cancel(first.id)
        ended = house.stack.ended(first.id, seconds=60)
        if ended.state != State.CANCELLED:
            raise RuntimeError(f"the big job ended as {ended.state}")
        cancelled = time.monotonic() - cancelled_at
    ratio = took / ideal_seconds(PACED.share_of_two(), SMALL)
    return {"ours": Measurement(makespan_ratio=ratio, more={"cancel_seconds": round(cancelled, 2)})}


def overhead(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """CPU a row without quota and latency, results stored."""
    rows = OVERHEAD_ROWS // 5 if quick else OVERHEAD_ROWS
    prompts = numbered("overhead", round_number, rows)
    with open_house(UNPACED) as house:
        return {"ours": _measured(house, prompts)}


def memory(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """Peak memory of the largest worker process for few and for many rows."""
    many = MANY // 10 if quick else MANY
    found = {}
    for rows in (FEW, many):
        with open_house(UNPACED) as house:
            name = OURS_FEW if rows == FEW else OURS
            found[name] = _measured(house, numbered(f"memory {rows}", round_number, rows))
    return found


def cached(round_number: int, *, quick: bool) -> dict[str, Measurement]:
    """The same evaluation twice: the provider calls of the second, and its speed."""
    rows = CACHED_ROWS // 5 if quick else CACHED_ROWS
    with open_house(UNPACED | {"cache_days": "30"}) as house:
        dataset = house.dataset(numbered("cached", round_number, rows))
        house.stack.emulator.configure(**FREE.config())
        house.stack.succeeded(house.evaluate(dataset).id, seconds=300)
        house.stack.mark()
        with Meter(house.workers) as meter:
            again = house.stack.succeeded(house.evaluate(dataset).id, seconds=300)
        calls, usage = house.stack.spent("calls_received"), meter.usage()
        speed = rows / house.span(again)
        lost = rows - house.outcomes(again).get("ok", 0)
    return {
        "ours": Measurement(
            lost=lost,
            paid_twice=calls,
            cpu_ms_per_row=1000 * usage.cpu_seconds / rows,
            rss_mb=usage.rss_mb,
            more={"calls": calls, "rows_per_second": round(speed)},
        )
    }


def _measured(house: House, prompts: list[str]) -> Measurement:
    dataset = house.dataset(prompts)
    house.stack.emulator.configure(**FREE.config())
    house.stack.mark()
    with Meter(house.workers) as meter:
        job = house.stack.succeeded(house.evaluate(dataset).id, seconds=1200)
    usage, rows = meter.usage(), len(prompts)
    return Measurement(
        lost=rows - house.outcomes(job).get("ok", 0),
        paid_twice=house.stack.spent("repeated_prompts"),
        cpu_ms_per_row=1000 * usage.cpu_seconds / rows,
        rss_mb=usage.rss_mb,
    )


OTHER_SCENARIOS = {"fair": fair, "overhead": overhead, "memory": memory, "cached": cached}
