"""The scenarios that are no race against a quota: fairness, overhead, memory, cache."""

import time

from bench.inference.fleet import House, Meter, open_house
from bench.inference.law import Law, ideal_seconds
from bench.inference.measured import Measured
from bench.inference.paced import ask_alternative
from bench.inference.scenarios import PACED
from service.jobs.lifecycle import State
from tests.support.emulator import start_emulator

BIG, SMALL = 20_000, 200
OVERHEAD_ROWS = 5_000
FEW, MANY = 2_000, 100_000
CACHED_ROWS = 10_000
FREE = Law()
UNPACED = {"requests_per_minute": "60000000", "burst_seconds": "1"}


def fair(round_number: int, *, quick: bool) -> dict[str, Measured]:
    """A job of 20,000 rows first, then one of 200: how long the second takes of its fair share."""
    told = {"requests_per_minute": "6000", "burst_seconds": "1"}
    with open_house(told, workers=2) as house:
        rows = BIG // 4 if quick else BIG
        big = house.dataset(_prompts("big", round_number, rows))
        small = house.dataset(_prompts("small", round_number, SMALL))
        house.stack.emulator.configure(**PACED.config())
        first = house.evaluate(big)
        time.sleep(5)
        began = time.monotonic()
        second = house.evaluate(small)
        house.stack.succeeded(second.id, seconds=300)
        took = time.monotonic() - began
        house.stack.cancel(first.id)
        asked = time.monotonic()
        ended = house.stack.ended(first.id, seconds=60)
        if ended.state != State.CANCELLED:
            raise RuntimeError(f"the big job ended as {ended.state}")
        print(f"cancelled within {time.monotonic() - asked:.2f} s")
    share = Law(PACED.requests_per_minute / 2 if PACED.requests_per_minute else None, None, 0.2, 1)
    return {"ours": Measured(makespan_ratio=took / ideal_seconds(share, SMALL))}


def overhead(round_number: int, *, quick: bool) -> dict[str, Measured]:
    """CPU a row without quota and latency, results stored; google-genai and gather beside it."""
    rows = OVERHEAD_ROWS // 5 if quick else OVERHEAD_ROWS
    prompts = _prompts("overhead", round_number, rows)
    with open_house(UNPACED) as house:
        ours = _measured(house, prompts)
    with start_emulator(**FREE.config()) as emulator:
        took = ask_alternative("gather", emulator.url, prompts, 0)
    other = Measured(
        lost=took["lost"], cpu_ms_per_row=took["cpu_ms_per_row"], rss_mb=took["rss_mb"]
    )
    return {"ours": ours, "gather": other}


def memory(round_number: int, *, quick: bool) -> dict[str, Measured]:
    """Peak memory of the largest worker process for few and for many rows."""
    many = MANY // 10 if quick else MANY
    found = {}
    for rows in (FEW, many):
        with open_house(UNPACED) as house:
            found[f"ours, {rows:,} rows"] = _measured(
                house, _prompts(f"memory {rows}", round_number, rows)
            )
    return found


def cached(round_number: int, *, quick: bool) -> dict[str, Measured]:
    """The same evaluation twice: what the second one asks for, and how fast it goes."""
    rows = CACHED_ROWS // 5 if quick else CACHED_ROWS
    with open_house(UNPACED | {"cache_days": "30"}) as house:
        dataset = house.dataset(_prompts("cached", round_number, rows))
        house.stack.emulator.configure(**FREE.config())
        house.stack.succeeded(house.evaluate(dataset).id, seconds=300)
        house.stack.mark()
        with Meter(house.workers) as meter:
            again = house.stack.succeeded(house.evaluate(dataset).id, seconds=300)
        calls, usage = house.stack.spent("calls_received"), meter.usage()
        print(f"{calls} calls, {rows / house.span(again):,.0f} rows/s")
        lost = rows - house.outcomes(again).get("ok", 0)
    return {
        "ours": Measured(
            lost=lost,
            paid_twice=calls,
            cpu_ms_per_row=1000 * usage.cpu_seconds / rows,
            rss_mb=usage.rss_mb,
        )
    }


def _measured(house: House, prompts: list[str]) -> Measured:
    dataset = house.dataset(prompts)
    house.stack.emulator.configure(**FREE.config())
    house.stack.mark()
    with Meter(house.workers) as meter:
        job = house.stack.succeeded(house.evaluate(dataset).id, seconds=1200)
    usage, rows = meter.usage(), len(prompts)
    return Measured(
        lost=rows - house.outcomes(job).get("ok", 0),
        paid_twice=house.stack.spent("repeated_prompts"),
        cpu_ms_per_row=1000 * usage.cpu_seconds / rows,
        rss_mb=usage.rss_mb,
    )


def _prompts(name: str, round_number: int, rows: int) -> list[str]:
    return [f"{name} {round_number} {row}: say ok" for row in range(rows)]


SPECIAL = {"fair": fair, "overhead": overhead, "memory": memory, "cached": cached}
