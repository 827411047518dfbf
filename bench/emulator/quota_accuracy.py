"""Measure the emulator's quota: several processes offer twice the rate, how much is accepted?

    python bench/emulator/quota_accuracy.py [--seconds 60] [--quick] [--json FILE]

The same clients are first let loose without a quota, to show that they do offer what they claim.
"""

import argparse
import asyncio
import json
import multiprocessing
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = "projects/lab/locations/global/publishers/google/models/gemini-3.1-flash-lite"
_PROCESSES = 4
_PER_MINUTE = 6000
_SETTLING_SECONDS = 2
_SPARE_SECONDS = 1
_FREE_SECONDS = 2
_QUICK_SECONDS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """Calls of whole seconds, as the emulator counted them; the rates are per second."""

    name: str
    seconds: int
    declared: float | None
    offered: float
    accepted: float
    deviation_percent: float | None
    agree: bool


async def offer(url: str, *, per_second: float, seconds: float, number: int) -> dict[str, int]:
    """Send calls at fixed moments, whether or not earlier ones came back; count the answers."""
    counts = {"200": 0, "429": 0, "other": 0}
    path = f"{url}/v1/{_MODEL}:generateContent"

    async def call(session: aiohttp.ClientSession, index: int) -> None:
        contents = [{"role": "user", "parts": [{"text": f"note {number} {index}"}]}]
        async with session.post(path, json={"contents": contents}) as response:
            await response.read()
            key = str(response.status)
            counts[key if key in counts else "other"] += 1

    started = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        tasks = []
        for index in range(int(per_second * seconds)):
            await asyncio.sleep(started + index / per_second - time.monotonic())
            tasks.append(asyncio.create_task(call(session, index)))
        await asyncio.gather(*tasks)
    return counts


def run_client(url: str, per_second: float, seconds: float, number: int) -> dict[str, int]:
    with asyncio.Runner() as runner:
        return runner.run(offer(url, per_second=per_second, seconds=seconds, number=number))


def request(url: str, document: Any = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(url, data=body, timeout=30) as answer:  # noqa: S310  (our own)
        return json.load(answer)


def measure(
    url: str, pool: Any, *, name: str, seconds: int, declared: float | None, offered: float
) -> Row:
    """Run the clients for the window and some seconds more on either side of it."""
    request(f"{url}/_emulator/reset", {"config": True})
    request(f"{url}/_emulator/config", {"requests_per_minute": declared and declared * 60})
    load = [
        (url, offered / _PROCESSES, seconds + _SETTLING_SECONDS + _SPARE_SECONDS, number)
        for number in range(_PROCESSES)
    ]
    counts = pool.starmap(run_client, load, chunksize=1)
    ledger = request(f"{url}/_emulator/ledger")
    window = _window(ledger["per_second"], seconds)
    accepted = sum(each["accepted"] for each in window) / seconds
    rejected = sum(each["rejected"] for each in window) / seconds
    counted = sum(count["200"] for count in counts)
    return Row(
        name=name,
        seconds=seconds,
        declared=declared,
        offered=accepted + rejected,
        accepted=accepted,
        deviation_percent=100 * (accepted / declared - 1) if declared else None,
        agree=counted == ledger["calls_accepted"],
    )


def _window(per_second: Sequence[dict[str, int]], seconds: int) -> list[dict[str, int]]:
    """Return the whole seconds after the clients have started and the full bucket is used up."""
    first = per_second[0]["second"] + _SETTLING_SECONDS
    return [each for each in per_second if first <= each["second"] < first + seconds]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_SECONDS} seconds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    seconds = _QUICK_SECONDS if options.quick else options.seconds
    declared = _PER_MINUTE / 60
    server = subprocess.Popen(
        [sys.executable, "-m", "emulator"], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        url = (server.stdout.readline() if server.stdout else "").split()[-1]
        phases = (("no quota", _FREE_SECONDS, None), ("quota", seconds, declared))
        with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
            rows = [
                measure(url, pool, name=name, seconds=window, declared=quota, offered=2 * declared)
                for name, window, quota in phases
            ]
    finally:
        server.terminate()
        server.wait()
    _report(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")


def _report(rows: Sequence[Row]) -> None:
    print(f"{_PROCESSES} processes; calls per second in a window of whole seconds")
    print(f"{'':10}{'seconds':>8}{'declared':>10}{'offered':>10}{'accepted':>10}{'off by':>9}")
    for row in rows:
        declared = "-" if row.declared is None else f"{row.declared:.1f}"
        off = "-" if row.deviation_percent is None else f"{row.deviation_percent:+.2f} %"
        print(
            f"{row.name:10}{row.seconds:>8}{declared:>10}{row.offered:>10.1f}"
            f"{row.accepted:>10.1f}{off:>9}"
        )
    print("clients and ledger agree:", all(row.agree for row in rows))


if __name__ == "__main__":
    main()
