"""Measure what 100,000 objects and 1,000 tunings cost the emulator in memory and in time.

    python bench/emulator/state_size.py [--objects 100000] [--tunings 1000] [--quick] [--json FILE]

Both modes, without and with `--state`, beside the plain alternative: all objects in one dictionary.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

_ROOT = Path(__file__).resolve().parents[2]
_JOBS = "/v1/projects/lab/locations/us-central1/tuningJobs"
_OBJECTS = "/storage/v1/b/data/o"
_MB = 1 << 20
_QUICK = (5000, 50)
_CLIENTS = 16
_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Row:
    """Megabytes of resident memory of the server's process, and milliseconds of its answers."""

    mode: str
    objects: int
    tunings: int
    started_mb: float
    with_objects_mb: float
    with_tunings_mb: float
    dictionary_mb: float
    milliseconds: dict[str, float]


def request(url: str, document: Any = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(url, data=body, timeout=60) as answer:  # noqa: S310  (our own)
        return json.load(answer)


def resident_mb(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) * 1024 / _MB


async def post_all(url: str, sendings: Sequence[tuple[str, bytes]]) -> None:
    """Send all bodies, a few at once; raises when one is refused."""
    left = iter(sendings)

    async def send(session: aiohttp.ClientSession) -> None:
        for path, body in left:
            async with session.post(f"{url}{path}", data=body) as response:
                response.raise_for_status()
                await response.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session) for _ in range(_CLIENTS)))


def upload(name: str, content: bytes) -> tuple[str, bytes]:
    return f"/upload{_OBJECTS}?uploadType=media&name={name}", content


def tuning(name: str) -> tuple[str, bytes]:
    spec = {"trainingDatasetUri": f"gs://data/{name}", "hyperParameters": {"epochCount": 1}}
    return _JOBS, json.dumps(
        {"baseModel": "gemini-3.1-flash-lite", "supervisedTuningSpec": spec}
    ).encode()


def training_rows() -> bytes:
    """Return a few rows of a task that is quickly learned."""

    def content(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"text": text}]}

    pairs = [(f"note {n}: a {'happy' if n % 2 else 'sorry'} day", "AB"[n % 2]) for n in range(20)]
    rows = ({"contents": [content("user", p), content("model", t)]} for p, t in pairs)
    return "\n".join(map(json.dumps, rows)).encode()


def wait_for_tunings(url: str, count: int) -> None:
    ended: list[Any] = []
    while len(ended) < count:
        time.sleep(1)
        states = [each["state"] for each in request(f"{url}/_emulator/ledger")["tunings"]]
        ended = [state for state in states if state == "JOB_STATE_SUCCEEDED"]


def dictionary_mb(url: str, count: int) -> float:
    """Return what it takes to keep so many objects' descriptions in a dictionary, in a process."""
    item = json.dumps(request(f"{url}{_OBJECTS}?maxResults=1")["items"][0])
    code = (
        "import json, sys\n"
        "def resident():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return int(next(l.split()[1] for l in lines if l.startswith('VmRSS:')))\n"
        "item, before = sys.stdin.read(), resident()\n"
        f"kept = {{number: json.loads(item) for number in range({count})}}\n"
        "print((resident() - before) / 1024)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=item, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def latencies(url: str) -> dict[str, float]:
    """Return the median milliseconds of what clients ask most."""
    some = request(f"{url}{_JOBS}?pageSize=1")["tuningJobs"][0]["name"]
    token = request(f"{url}{_OBJECTS}?maxResults=1000").get("nextPageToken", "")
    paths = {
        "object get": f"{_OBJECTS}/o-000100",
        "object page of 1000": f"{_OBJECTS}?maxResults=1000",
        "its next page": f"{_OBJECTS}?maxResults=1000&pageToken={token}",
        "objects by prefix": f"{_OBJECTS}?prefix=o-0042",
        "tuning get": f"/v1/{some}",
        "tuning page of 100": f"{_JOBS}?pageSize=100",
    }
    return {name: _median_ms(lambda: request(f"{url}{path}")) for name, path in paths.items()}  # noqa: B023


def _median_ms(ask: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(_SAMPLES):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)


def measure(mode: str, *, objects: int, tunings: int, arguments: Sequence[str]) -> Row:
    server = subprocess.Popen(  # noqa: S603  (our own)
        [sys.executable, "-m", "emulator", "--tuning-seconds", "0", *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = (server.stdout.readline() if server.stdout else "").split()[-1]
        request(f"{url}/storage/v1/b?project=lab", {"name": "data"})
        started = resident_mb(server.pid)
        uploads = [upload(f"o-{number:06}", b"{}\n") for number in range(objects)]
        asyncio.run(post_all(url, [*uploads, upload("rows.jsonl", training_rows())]))  # noqa: TID251
        with_objects = resident_mb(server.pid)
        asyncio.run(post_all(url, [tuning("rows.jsonl")] * tunings))  # noqa: TID251
        wait_for_tunings(url, tunings)
        return Row(
            mode=mode,
            objects=objects,
            tunings=tunings,
            started_mb=started,
            with_objects_mb=with_objects,
            with_tunings_mb=resident_mb(server.pid),
            dictionary_mb=dictionary_mb(url, objects),
            milliseconds=latencies(url),
        )
    finally:
        server.terminate()
        server.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--tunings", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="{} objects, {}".format(*_QUICK))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    objects, tunings = _QUICK if options.quick else (options.objects, options.tunings)
    with tempfile.TemporaryDirectory() as folder:
        modes = {"memory": [], "--state": ["--state", folder]}
        rows = [
            measure(mode, objects=objects, tunings=tunings, arguments=given)
            for mode, given in modes.items()
        ]
    _report(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")


def _report(rows: Sequence[Row]) -> None:
    print(f"{rows[0].objects} objects, {rows[0].tunings} tunings; resident MB of the server")
    print(f"{'':10}{'started':>9}{'objects':>9}{'tunings':>9}{'a dictionary would add':>24}")
    for row in rows:
        print(
            f"{row.mode:10}{row.started_mb:>9.0f}{row.with_objects_mb:>9.0f}"
            f"{row.with_tunings_mb:>9.0f}{row.dictionary_mb:>24.0f}"
        )
    print("median milliseconds")
    for name in rows[0].milliseconds:
        print(f"{name:22}" + "".join(f"{row.milliseconds[name]:>10.1f}" for row in rows))


if __name__ == "__main__":
    main()
